// Before the first paint: the theme and language this device chose, so nothing flashes.
(function () {
  try {
    var theme = localStorage.getItem("arena.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
    var language = localStorage.getItem("arena.language");
    if (language) document.documentElement.lang = language;
  } catch {
    // Storage is forbidden here: the system's theme is used.
  }
})();
