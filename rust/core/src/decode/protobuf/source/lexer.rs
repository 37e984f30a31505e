//! The tokens of a `.proto` file. <https://protobuf.com/docs/language-spec#lexical-analysis>

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Number(&'a str),
    /// What stands between the quotes, escapes and all.
    Text(&'a str),
    Symbol(char),
    End,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Lexer { text, at: mark }
    }

    /// Of what comes next, from 1 on.
    pub fn line(&self) -> usize {
        1 + self.text[..self.at].matches('\n').count()
    }

    pub fn next(&mut self) -> Result<Token<'a>, &'static str> {
        self.blanks()?;
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let (length, token) = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = leading(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (word.len(), Token::Word(word))
            }
            '0'..='9' => {
                let number = number(rest);
                (number.len(), Token::Number(number))
            }
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let number = number(rest);
                (number.len(), Token::Number(number))
            }
            '"' | '\'' => {
                let inside = quoted(&rest[1..], first).ok_or("a string without its end")?;
                (inside.len() + 2, Token::Text(inside))
            }
            other => (other.len_utf8(), Token::Symbol(other)),
        };
        self.at += length;
        Ok(token)
    }

    /// Passes over white space and comments.
    fn blanks(&mut self) -> Result<(), &'static str> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                self.at += 4 + comment.find("*/").ok_or("a comment without its end")?;
            } else {
                return Ok(());
            }
        }
    }
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !belongs(c)).unwrap_or(text.len())]
}

/// Of digits, a point and an exponent, with what is written on to it.
fn number(text: &str) -> &str {
    let bytes = text.as_bytes();
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let belongs = |at: usize| match bytes[at] {
        b'+' | b'-' => !hexadecimal && at > 0 && matches!(bytes[at - 1], b'e' | b'E'),
        byte => byte.is_ascii_alphanumeric() || byte == b'.',
    };
    let end = (0..bytes.len()).find(|at| !belongs(*at)).unwrap_or(bytes.len());
    &text[..end]
}

fn quoted(text: &str, quote: char) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            _ if c == quote => return Some(&text[..at]),
            _ => {}
        }
    }
    None
}

/// A string without its escapes. Bytes that make no UTF-8 are replaced: no string that decoding needs has any.
pub(super) fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else { break };
        rest = after;
        let digits = |rest: &[u8], most: usize, radix: u32| {
            rest.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count()
        };
        let value = |digits: &[u8], radix: u32| {
            digits.iter().fold(0, |value: u32, byte| {
                value.wrapping_mul(radix).wrapping_add(char::from(*byte).to_digit(radix).unwrap_or(0))
            })
        };
        match escape {
            b'a' => bytes.push(7),
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'v' => bytes.push(11),
            b'x' | b'X' => {
                let (number, after) = rest.split_at(digits(rest, 2, 16));
                bytes.push(value(number, 16) as u8);
                rest = after;
            }
            b'u' | b'U' => {
                let (number, after) = rest.split_at(digits(rest, if escape == b'u' { 4 } else { 8 }, 16));
                let character = char::from_u32(value(number, 16)).unwrap_or(char::REPLACEMENT_CHARACTER);
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            b'0'..=b'7' => {
                let more = digits(rest, 2, 8);
                let (number, after) = rest.split_at(more);
                bytes.push((value(&[&[escape], number].concat(), 8)) as u8);
                rest = after;
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
