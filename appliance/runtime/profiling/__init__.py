"""What a running node is asked when it is slow or large: where its processes spend their time, and what they hold."""
