"""Training: one LightningModule, one trainer factory."""
