"""Finds peers on the local network by multicast DNS."""
