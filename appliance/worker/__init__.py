"""The data-plane process: one epoll loop over the TUN and transport sockets, without privileges."""
