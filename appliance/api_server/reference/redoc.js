// Searching would need a worker made of a text, which the page's policy does not allow; the browser's own search finds everything,
// since all operations are on one page.
Redoc.init(
  "../api/v1/openapi.json",
  { disableSearch: true, hideLoading: true, nativeScrollbars: true, theme: { typography: { fontFamily: "sans-serif", headings: { fontFamily: "sans-serif" } } } },
  document.getElementById("page"),
);
