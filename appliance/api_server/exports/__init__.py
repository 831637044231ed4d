"""Events, handed to what plugins bring below `management.exports`."""
