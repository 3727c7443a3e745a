"""Warren keeps a machine on an encrypted network: a WireGuard engine in Rust, operated from Python."""
