// Shows the document and lets one try it: with the browser's own session after
// POST /api/auth/login, or with an API token under "Authorize".
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "/api/openapi.json",
    dom_id: "#page",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    // The API is where the page is, whatever the public URL says.
    requestInterceptor: (request) => {
      const url = new URL(request.url, window.location.origin);
      request.url = window.location.origin + url.pathname + url.search;
      return request;
    },
  });
});
