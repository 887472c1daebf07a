(function(){
var selects=[].slice.call(document.querySelectorAll("select.series"));
selects.forEach(function(s){s.addEventListener("change",function(){
  var name=s.options[s.selectedIndex].text;
  selects.forEach(function(t){for(var i=0;i<t.options.length;i++)if(t.options[i].text===name)t.selectedIndex=i;
    var box=t.closest("p"),e=box.nextElementSibling;
    while(e&&e.matches("figure.series")){e.hidden=e.dataset.series!==t.value;e=e.nextElementSibling}})})});
var board=document.getElementById("board");if(!board)return;
board.querySelectorAll("th button").forEach(function(b){b.addEventListener("click",function(){
  var th=b.closest("th"),down=th.getAttribute("aria-sort")==="ascending",key=b.dataset.key,body=board.tBodies[0];
  board.querySelectorAll("th").forEach(function(h){h.removeAttribute("aria-sort")});
  th.setAttribute("aria-sort",down?"descending":"ascending");
  var rows=[].slice.call(body.rows).filter(function(r){return r.dataset.name!==undefined});
  rows.sort(function(p,q){var x=p.dataset[key],y=q.dataset[key];
    var c=key==="name"?x.localeCompare(y):parseFloat(x)-parseFloat(y);return down?-c:c});
  var anchor=[].slice.call(body.rows).filter(function(r){return r.dataset.name===undefined})[0];
  rows.forEach(function(r){body.insertBefore(r,anchor)})})});
})();
