"""What touches the system: files, names, the engine, netlink. Decides nothing that `warren.tunnel` can decide."""
