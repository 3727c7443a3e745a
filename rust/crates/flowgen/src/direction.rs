//! What the client of a connection asks for, by a byte each.

const DOWN: u8 = b'D';
const UP: u8 = b'U';
const ECHO: u8 = b'E';

/// Where the bytes of a connection go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the client.
    Down,
    /// To the server.
    Up,
}

/// What a server does for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Move bytes from now on.
    Move(Direction),
    /// Send the byte back.
    Echo,
}

impl Direction {
    /// Parse `up` or `down`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            _ => None,
        }
    }
}

impl Service {
    /// Return the service that a byte asks for.
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            DOWN => Some(Self::Move(Direction::Down)),
            UP => Some(Self::Move(Direction::Up)),
            ECHO => Some(Self::Echo),
            _ => None,
        }
    }

    /// Return the byte that asks for it.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Move(Direction::Down) => DOWN,
            Self::Move(Direction::Up) => UP,
            Self::Echo => ECHO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_reads_what_a_client_asks_for() {
        for service in [Service::Move(Direction::Down), Service::Move(Direction::Up), Service::Echo] {
            assert_eq!(Service::from_byte(service.byte()), Some(service));
        }
        assert_eq!(Service::from_byte(0), None);
    }
}
