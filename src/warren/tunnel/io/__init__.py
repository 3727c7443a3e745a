"""Input and output of tunnels: files, names, engines, netlink. Decisions are made in `warren.tunnel`."""
