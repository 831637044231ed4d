"""The API as gRPC: each call is translated into the request over HTTP that it stands for, and judged and answered as that."""
