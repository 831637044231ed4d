"""Rendezvous: members register under tags at meeting places, and find each other there. Pure; one machine of each node."""
