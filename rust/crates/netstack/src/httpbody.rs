//! The body of a request: how much of what a client sends belongs to it (RFC 9112, sections 6 and 7).
//!
//! A proxy forwards the body as it comes, and nothing behind it, so that no second request reaches the host.

/// The longest line of a chunk's size with its extensions, and of all trailers.
const MAX_LINE: usize = 4096;
const MAX_TRAILERS: usize = 16 << 10;
/// Digits of the size of a chunk: 60 bits.
const MAX_DIGITS: usize = 15;

/// A body whose framing contradicts the grammar. The connection is closed: part of it may have been forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body")]
pub struct MalformedBody;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a body without chunks, with octets to come.
    Plain(u64),
    /// In the size of a chunk, after so many digits.
    Size {
        digits: usize,
        size: u64,
    },
    /// In the extensions of a chunk.
    Extension {
        size: u64,
    },
    /// Behind the CR of a size.
    SizeEnd {
        size: u64,
    },
    /// In a chunk, with octets to come.
    Data(u64),
    /// Behind a chunk, before CR or LF.
    DataCr,
    DataLf,
    /// At the begin of a line of trailers, within it, or behind its CR.
    Trailer,
    TrailerLine,
    TrailerLf,
    /// Behind the CR of the last line.
    LastLf,
}

/// The framing of a body, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    place: Place,
    is_chunked: bool,
    /// Octets of the current line, or of all trailers.
    line: usize,
}

impl Body {
    /// Return the framing of a request without a body.
    #[must_use]
    pub fn none() -> Self {
        Self::of_length(0)
    }

    /// Return the framing by Content-Length.
    #[must_use]
    pub fn of_length(length: u64) -> Self {
        Self { place: Place::Plain(length), is_chunked: false, line: 0 }
    }

    /// Return the framing in chunks.
    #[must_use]
    pub fn chunked() -> Self {
        Self { place: Place::Size { digits: 0, size: 0 }, is_chunked: true, line: 0 }
    }

    /// Return whether the framing is in chunks.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.is_chunked
    }

    /// Return whether all of the body has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.place == Place::Plain(0)
    }

    /// Process octets of the client, and return how many of them belong to the body.
    ///
    /// # Errors
    /// [`MalformedBody`].
    pub fn take(&mut self, octets: &[u8]) -> Result<usize, MalformedBody> {
        let mut used = 0;
        while used < octets.len() && !self.is_complete() {
            used += match &mut self.place {
                Place::Plain(left) | Place::Data(left) => {
                    let count = (octets.len() - used).min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= count as u64;
                    count
                }
                _ => {
                    self.line += 1;
                    self.place = self.step(octets[used])?;
                    1
                }
            };
            if self.place == Place::Data(0) {
                self.place = Place::DataCr;
            }
        }
        Ok(used)
    }

    /// Return the place behind an octet that is not data.
    fn step(&mut self, octet: u8) -> Result<Place, MalformedBody> {
        let limit = if matches!(self.place, Place::Trailer | Place::TrailerLine) { MAX_TRAILERS } else { MAX_LINE };
        if self.line > limit {
            return Err(MalformedBody);
        }
        match (self.place, octet) {
            (Place::Size { digits, size }, _) if octet.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = char::from(octet).to_digit(16).unwrap_or_default();
                Ok(Place::Size { digits: digits + 1, size: size << 4 | u64::from(digit) })
            }
            (Place::Size { digits: 1.., size } | Place::Extension { size }, b'\r') => Ok(Place::SizeEnd { size }),
            (Place::Size { digits: 1.., size }, b';') => Ok(Place::Extension { size }),
            (Place::Extension { size }, _) if is_text(octet) => Ok(Place::Extension { size }),
            (Place::SizeEnd { size }, b'\n') => {
                self.line = 0;
                Ok(if size == 0 { Place::Trailer } else { Place::Data(size) })
            }
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => {
                self.line = 0;
                Ok(Place::Size { digits: 0, size: 0 })
            }
            (Place::Trailer, b'\r') => Ok(Place::LastLf),
            (Place::TrailerLine, b'\r') => Ok(Place::TrailerLf),
            // A line that begins with a space would be folded into the one before.
            (Place::Trailer, b' ' | b'\t') => Err(MalformedBody),
            (Place::Trailer | Place::TrailerLine, _) if is_text(octet) => Ok(Place::TrailerLine),
            (Place::TrailerLf, b'\n') => Ok(Place::Trailer),
            (Place::LastLf, b'\n') => Ok(Place::Plain(0)),
            _ => Err(MalformedBody),
        }
    }
}

fn is_text(octet: u8) -> bool {
    octet == b'\t' || octet >= b' ' && octet != 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(mut body: Body, octets: &[u8]) -> (Result<usize, MalformedBody>, bool) {
        let used = body.take(octets);
        (used, body.is_complete())
    }

    #[test]
    fn a_length_is_counted_down() {
        assert_eq!(taken(Body::none(), b"GET"), (Ok(0), true));
        assert_eq!(taken(Body::of_length(3), b"ab"), (Ok(2), false));
        assert_eq!(taken(Body::of_length(3), b"abcGET"), (Ok(3), true));
        assert_eq!(taken(Body::of_length(u64::MAX), b"abc"), (Ok(3), false));
    }

    #[test]
    fn chunks_end_with_an_empty_one_and_trailers() {
        let bodies = [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "1;name=\"value\"\r\na\r\n000\r\nTrailer: 1\r\nOther: \t2\r\n\r\n",
            "A\r\n0\r\n\r\n\r\n\r\n0\r\n0\r\n\r\n",
            "00000000000000f\r\n0123456789abcde\r\n0\r\n\r\n",
        ];
        for body in bodies {
            assert_eq!(taken(Body::chunked(), body.as_bytes()), (Ok(body.len()), true), "{body:?}");
            let more = [body, "GET / HTTP/1.1\r\n"].concat();
            assert_eq!(taken(Body::chunked(), more.as_bytes()), (Ok(body.len()), true), "{body:?}");
        }
    }

    #[test]
    fn what_is_not_the_grammar_of_chunks_is_refused() {
        let long = "1;".to_owned() + &"a".repeat(MAX_LINE) + "\r\n";
        let trailers = "0\r\n".to_owned() + &"a: b\r\n".repeat(MAX_TRAILERS / 6 + 1);
        let refused = [
            "\r\n",
            ";\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\n",
            "1 \r\n",
            "0x1\r\n",
            "1\n",
            "1\r\r\n",
            "1\ra",
            "0000000000000001\r\n",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\r\r",
            "1;a\nb\r\n",
            "1;\0\r\n",
            "0\r\n\n",
            "0\r\n\ra",
            "0\r\n a\r\n",
            "0\r\na\nb: c\r\n\r\n",
            "0\r\na: b\r\n c\r\n",
            &long,
            &trailers,
        ]; // The last two only exceed a limit.
        for body in refused {
            assert_eq!(taken(Body::chunked(), body.as_bytes()).0, Err(MalformedBody), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn a_body_is_taken_alike_in_any_pieces(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            (noise, cuts) in (prop::collection::vec(any::<u8>(), 0..3), prop::collection::vec(1usize..9, 0..200)),
            changed in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut octets: Vec<u8> = chunks.iter().flat_map(|chunk| {
                [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()
            }).collect();
            octets.extend_from_slice(b"0\r\n\r\n");
            let length = octets.len();
            octets.extend_from_slice(&noise);
            if let Some((at, octet)) = changed {
                octets[at.index(length)] = octet;
            }
            let (whole, complete) = taken(Body::chunked(), &octets);
            if changed.is_none() {
                prop_assert_eq!((whole, complete), (Ok(length), true));
            }
            let (mut body, mut used, mut result) = (Body::chunked(), 0, Ok(0));
            let mut cuts = cuts.into_iter();
            while used < octets.len() && result.is_ok() && !body.is_complete() {
                let end = (used + cuts.next().unwrap_or(5)).min(octets.len());
                result = body.take(&octets[used..end]);
                used += result.unwrap_or(0);
            }
            prop_assert_eq!((result.map(|_| used), body.is_complete()), (whole, complete));
        }
    }
}
