// Nothing is asked of another host: no judge of descriptions, and no log-in that is kept when the page goes.
SwaggerUIBundle({
  url: "../api/v1/openapi.json",
  domNode: document.getElementById("page"),
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: true,
  filter: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
