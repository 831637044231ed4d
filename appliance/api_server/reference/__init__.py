"""The API's description in a browser, offline: Swagger UI and ReDoc."""
