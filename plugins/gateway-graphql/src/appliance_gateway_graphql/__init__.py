"""A GraphQL gateway (`api.gateways`)."""
