//! Options in a `.proto` file: those that decoding needs are kept, the others read over.

use super::Parser;
use super::lexer::Token;
use crate::decode::protobuf::raw::RawFeatures;
use crate::decode::{MAX_DEPTH, Parse};

pub(super) struct Setting {
    /// A name in parentheses keeps them.
    name: Vec<String>,
    value: Constant,
}

enum Constant {
    /// Numbers and names as they stand, strings without quotes and escapes.
    Plain(String),
    Message(Vec<(String, Constant)>),
}

impl<'a> Parser<'a> {
    /// `option name = value;`, after its first word.
    pub(super) fn option(&mut self) -> Parse<Setting> {
        let setting = self.setting()?;
        self.symbol(';')?;
        Ok(setting)
    }

    /// `[name = value, ...]`, if it comes next.
    pub(super) fn bracketed(&mut self) -> Parse<Vec<Setting>> {
        let mut settings = Vec::new();
        if !self.eat('[')? {
            return Ok(settings);
        }
        loop {
            settings.push(self.setting()?);
            if !self.eat(',')? {
                self.symbol(']')?;
                return Ok(settings);
            }
        }
    }

    fn setting(&mut self) -> Parse<Setting> {
        let mut name = Vec::new();
        loop {
            if self.eat('(')? {
                name.push(format!("({})", self.full_name()?.trim_start_matches('.')));
                self.symbol(')')?;
            } else {
                name.push(self.word()?.to_owned());
            }
            if !self.eat('.')? {
                break;
            }
        }
        self.symbol('=')?;
        Ok(Setting { name, value: self.constant(1)? })
    }

    fn constant(&mut self, depth: usize) -> Parse<Constant> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("an option nested too deep"));
        }
        if self.eat('{')? {
            return Ok(Constant::Message(self.aggregate('}', depth)?));
        }
        if self.eat('<')? {
            return Ok(Constant::Message(self.aggregate('>', depth)?));
        }
        if let Token::Text(_) = self.token {
            let mut text = String::new();
            while let Token::Text(_) = self.token {
                text.push_str(&self.text()?);
            }
            return Ok(Constant::Plain(text));
        }
        let sign = if self.eat('-')? { "-" } else { "" };
        if self.token == Token::Symbol('+') {
            self.advance()?;
        }
        match self.token {
            Token::Number(number) => {
                self.advance()?;
                Ok(Constant::Plain(format!("{sign}{number}")))
            }
            _ => Ok(Constant::Plain(format!("{sign}{}", self.full_name()?))),
        }
    }

    /// The fields of a message in text format, to the bracket that closes it.
    fn aggregate(&mut self, closing: char, depth: usize) -> Parse<Vec<(String, Constant)>> {
        let mut fields = Vec::new();
        while !self.eat(closing)? {
            let name = if self.eat('[')? {
                let mut name = self.full_name()?;
                while self.eat('/')? {
                    name = self.full_name()?;
                }
                self.symbol(']')?;
                format!("({name})")
            } else {
                self.word()?.to_owned()
            };
            self.eat(':')?;
            if self.eat('[')? {
                while !self.eat(']')? {
                    fields.push((name.clone(), self.constant(depth + 1)?));
                    self.eat(',')?;
                }
            } else {
                fields.push((name, self.constant(depth + 1)?));
            }
            if !self.eat(',')? {
                self.eat(';')?;
            }
        }
        Ok(fields)
    }
}

impl Setting {
    pub fn apply_feature(&self, features: &mut RawFeatures) {
        match (&self.name[..], &self.value) {
            ([first, name], Constant::Plain(value)) if first == "features" => set(features, name, value),
            ([first], Constant::Message(fields)) if first == "features" => {
                for (name, value) in fields {
                    if let Constant::Plain(value) = value {
                        set(features, name, value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds what stands in `params` of Confluent's `field_meta`.
    pub fn add_params(&self, params: &mut Vec<(String, String)>) {
        let meta = |name: &String| matches!(&**name, "(confluent.field_meta)" | "(field_meta)");
        match (&self.name[..], &self.value) {
            ([first, second], value) if meta(first) && second == "params" => add_entry(value, params),
            ([first], Constant::Message(fields)) if meta(first) => {
                fields
                    .iter()
                    .filter(|(name, _)| name == "params")
                    .for_each(|(_, entry)| add_entry(entry, params));
            }
            _ => {}
        }
    }

    pub fn is_map_entry(&self) -> bool {
        self.name == ["map_entry"] && matches!(&self.value, Constant::Plain(value) if value == "true")
    }
}

fn set(features: &mut RawFeatures, name: &str, value: &str) {
    match (name, value) {
        ("field_presence", "EXPLICIT") => features.field_presence = 1,
        ("field_presence", "IMPLICIT") => features.field_presence = 2,
        ("field_presence", "LEGACY_REQUIRED") => features.field_presence = 3,
        ("enum_type", "OPEN") => features.enum_type = 1,
        ("enum_type", "CLOSED") => features.enum_type = 2,
        ("message_encoding", "LENGTH_PREFIXED") => features.message_encoding = 1,
        ("message_encoding", "DELIMITED") => features.message_encoding = 2,
        _ => {}
    }
}

fn add_entry(entry: &Constant, params: &mut Vec<(String, String)>) {
    let Constant::Message(fields) = entry else { return };
    let part = |wanted: &str| {
        fields.iter().find_map(|(name, value)| match value {
            Constant::Plain(value) if name == wanted => Some(value.clone()),
            _ => None,
        })
    };
    params.push((part("key").unwrap_or_default(), part("value").unwrap_or_default()));
}
