"""Log-in at a provider of OpenID Connect (`api.logins`)."""
