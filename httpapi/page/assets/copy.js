(function () {
  var box = document.getElementById("token");
  var button = document.getElementById("copy");
  var said = document.getElementById("copied");
  function say(ok) { said.textContent = ok ? "Copied" : "Press Ctrl+C to copy"; }
  function byHand() {
    box.focus();
    box.select();
    say(document.execCommand("copy"));
  }
  box.addEventListener("focus", function () { box.select(); });
  box.select();
  button.hidden = false;
  button.addEventListener("click", function () {
    if (!navigator.clipboard) { byHand(); return; }
    navigator.clipboard.writeText(box.value).then(function () { say(true); }, byHand);
  });
})();
