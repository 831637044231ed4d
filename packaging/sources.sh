#!/usr/bin/env bash
# Writes the lines of a sources.list for another Debian, from the mirror that apt of this machine is set to:  packaging/sources.sh SUITE
set -euo pipefail
# shellcheck disable=SC2016  # apt's own variables
apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sort -u | awk -v suite="$1" '
  BEGIN { at["Debian"] = "http://deb.debian.org/debian"; at["Debian-Security"] = "http://deb.debian.org/debian-security" }
  $1 in at { at[$1] = $2 }
  END {
    print "deb " at["Debian"] " " suite " main"
    print "deb " at["Debian"] " " suite "-updates main"
    print "deb " at["Debian-Security"] " " suite "-security main"
  }'
