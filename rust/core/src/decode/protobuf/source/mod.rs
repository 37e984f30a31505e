//! The text of a `.proto` file: proto2, proto3 and editions. <https://protobuf.com/docs/language-spec>
//!
//! It takes what `protoc` takes, and does not look for all that `protoc` refuses: a schema in a registry has been compiled.

mod lexer;
mod options;

use super::model::Kind;
use super::raw::{
    EDITION_2023, EDITION_2024, EDITION_2026, Label, PROTO2, PROTO3, RawEnum, RawFeatures, RawField, RawFile,
    RawKind, RawMessage, RawOneof, entry_name,
};
use super::wire::malformed;
use crate::decode::{MAX_DEPTH, Parse, RowError, excerpt};
use lexer::{Lexer, Token, unescape};

/// `name` is for messages and imports.
pub(super) fn parse(name: &str, text: &str) -> Parse<RawFile> {
    let mut parser = Parser { lexer: Lexer::new(text), token: Token::End };
    let file = parser.advance().and_then(|()| parser.file(name));
    file.map_err(|mut error| {
        error.message = format!("{name}, line {}: {}", parser.lexer.line(), error.message);
        error
    })
}

#[derive(Clone, Copy)]
struct Parser<'a> {
    /// Behind `token`.
    lexer: Lexer<'a>,
    token: Token<'a>,
}

impl<'a> Parser<'a> {
    fn file(&mut self, name: &str) -> Parse<RawFile> {
        let mut file = RawFile { name: name.to_owned(), edition: PROTO2, ..RawFile::default() };
        while self.token != Token::End {
            if self.eat(';')? {
                continue;
            }
            self.eat_visibility()?;
            match self.word()? {
                "syntax" => {
                    self.symbol('=')?;
                    file.edition = match &*self.text()? {
                        "proto2" => PROTO2,
                        "proto3" => PROTO3,
                        other => return Err(self.wrong(&format!("the syntax {other:?}, which is unknown"))),
                    };
                    self.symbol(';')?;
                }
                "edition" => {
                    self.symbol('=')?;
                    file.edition = match &*self.text()? {
                        "2023" => EDITION_2023,
                        "2024" => EDITION_2024,
                        "2026" => EDITION_2026,
                        other => return Err(self.wrong(&format!("the edition {other:?}, which is unknown"))),
                    };
                    self.symbol(';')?;
                }
                "import" => {
                    if let Token::Word("public" | "weak" | "option") = self.token {
                        self.advance()?;
                    }
                    file.imports.push(self.text()?);
                    self.symbol(';')?;
                }
                "package" => {
                    file.package = self.full_name()?;
                    self.symbol(';')?;
                }
                "option" => self.option()?.apply_feature(&mut file.features),
                "message" => file.messages.push(self.message(file.edition, 1)?),
                "enum" => file.enums.push(self.enumeration()?),
                "extend" => self.extend(file.edition, 1)?,
                "service" => {
                    self.word()?;
                    self.symbol('{')?;
                    self.pass_over('}')?;
                }
                other => return Err(self.wrong(&format!("{other:?}, which begins nothing"))),
            }
        }
        Ok(file)
    }

    fn message(&mut self, edition: i32, depth: usize) -> Parse<RawMessage> {
        let name = self.word()?.to_owned();
        let mut message = self.message_body(edition, depth)?;
        message.name = name;
        Ok(message)
    }

    fn message_body(&mut self, edition: i32, depth: usize) -> Parse<RawMessage> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("messages nested too deep"));
        }
        let mut message = RawMessage::default();
        self.symbol('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            self.eat_visibility()?;
            let before = *self;
            // A type's name may begin with a dot.
            let word = if let Token::Word(word) = self.token { word } else { "" };
            if !word.is_empty() {
                self.advance()?;
            }
            match word {
                "message" => message.messages.push(self.message(edition, depth + 1)?),
                "enum" => message.enums.push(self.enumeration()?),
                "extend" => self.extend(edition, depth + 1)?,
                "extensions" | "reserved" => self.pass_over(';')?,
                "option" => {
                    let setting = self.option()?;
                    setting.apply_feature(&mut message.features);
                    message.map_entry |= setting.is_map_entry();
                }
                "oneof" => self.oneof(edition, depth, &mut message)?,
                "map" if self.token == Token::Symbol('<') => self.map_field(&mut message)?,
                _ => {
                    *self = before;
                    let field = self.field(edition, depth, &mut message.messages)?;
                    message.fields.push(field);
                }
            }
        }
        Ok(message)
    }

    fn oneof(&mut self, edition: i32, depth: usize, message: &mut RawMessage) -> Parse {
        let mut oneof = RawOneof { name: self.word()?.to_owned(), features: RawFeatures::default() };
        self.symbol('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if self.token == Token::Word("option") {
                self.advance()?;
                self.option()?.apply_feature(&mut oneof.features);
                continue;
            }
            let mut field = self.field(edition, depth, &mut message.messages)?;
            field.oneof = Some(message.oneofs.len());
            message.fields.push(field);
        }
        message.oneofs.push(oneof);
        Ok(())
    }

    /// Groups are added to `nested`.
    fn field(&mut self, edition: i32, depth: usize, nested: &mut Vec<RawMessage>) -> Parse<RawField> {
        let mut field = RawField::default();
        let label = match self.token {
            Token::Word("optional") => Some(Label::Optional),
            Token::Word("required") => Some(Label::Required),
            Token::Word("repeated") => Some(Label::Repeated),
            _ => None,
        };
        if let Some(label) = label {
            self.advance()?;
            field.label = label;
            field.proto3_optional = edition == PROTO3 && label == Label::Optional;
        }
        if self.token == Token::Word("group") {
            self.advance()?;
            let name = self.word()?.to_owned();
            self.number_and_options(&mut field)?;
            field.name = name.to_lowercase();
            field.kind = RawKind::Group(name.clone());
            let mut group = self.message_body(edition, depth + 1)?;
            group.name = name;
            nested.push(group);
            return Ok(field);
        }
        field.kind = self.field_type()?;
        field.name = self.word()?.to_owned();
        self.number_and_options(&mut field)?;
        self.symbol(';')?;
        Ok(field)
    }

    fn map_field(&mut self, message: &mut RawMessage) -> Parse {
        let mut field = RawField { label: Label::Repeated, ..RawField::default() };
        self.symbol('<')?;
        let key = RawField { name: "key".into(), number: 1, kind: self.field_type()?, ..RawField::default() };
        self.symbol(',')?;
        let value =
            RawField { name: "value".into(), number: 2, kind: self.field_type()?, ..RawField::default() };
        self.symbol('>')?;
        field.name = self.word()?.to_owned();
        self.number_and_options(&mut field)?;
        self.symbol(';')?;
        let name = entry_name(&field.name);
        field.kind = RawKind::Named(name.clone());
        message.fields.push(field);
        message.messages.push(RawMessage {
            name,
            fields: vec![key, value],
            map_entry: true,
            ..RawMessage::default()
        });
        Ok(())
    }

    fn field_type(&mut self) -> Parse<RawKind> {
        let name = self.full_name()?;
        Ok(RawKind::Scalar(match &*name {
            "double" => Kind::Double,
            "float" => Kind::Float,
            "int64" => Kind::Int64,
            "uint64" => Kind::UInt64,
            "int32" => Kind::Int32,
            "fixed64" => Kind::Fixed64,
            "fixed32" => Kind::Fixed32,
            "bool" => Kind::Bool,
            "string" => Kind::String,
            "bytes" => Kind::Bytes,
            "uint32" => Kind::UInt32,
            "sfixed32" => Kind::SFixed32,
            "sfixed64" => Kind::SFixed64,
            "sint32" => Kind::SInt32,
            "sint64" => Kind::SInt64,
            _ => return Ok(RawKind::Named(name)),
        }))
    }

    fn number_and_options(&mut self, field: &mut RawField) -> Parse {
        self.symbol('=')?;
        field.number = self.integer()?;
        for setting in self.bracketed()? {
            setting.apply_feature(&mut field.features);
            setting.add_params(&mut field.params);
        }
        Ok(())
    }

    fn enumeration(&mut self) -> Parse<RawEnum> {
        let mut enumeration = RawEnum { name: self.word()?.to_owned(), ..RawEnum::default() };
        self.symbol('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            let before = *self;
            match self.word()? {
                // These may be values' names too.
                "option" if self.token != Token::Symbol('=') => {
                    self.option()?.apply_feature(&mut enumeration.features);
                }
                "reserved" if self.token != Token::Symbol('=') => self.pass_over(';')?,
                _ => {
                    *self = before;
                    let name = self.word()?.to_owned();
                    self.symbol('=')?;
                    let number = self.integer()?;
                    self.bracketed()?;
                    self.symbol(';')?;
                    enumeration.values.push((name, number));
                }
            }
        }
        Ok(enumeration)
    }

    /// Extensions are unknown fields to whoever decodes.
    fn extend(&mut self, edition: i32, depth: usize) -> Parse {
        self.full_name()?;
        self.message_body(edition, depth)?;
        Ok(())
    }

    /// `export` or `local` in front of a message or an enum.
    fn eat_visibility(&mut self) -> Parse {
        let before = *self;
        if let Token::Word("export" | "local") = self.token {
            self.advance()?;
            if !matches!(self.token, Token::Word("message" | "enum")) {
                *self = before;
            }
        }
        Ok(())
    }

    /// Up to the symbol that ends it, outside of all brackets.
    fn pass_over(&mut self, end: char) -> Parse {
        let mut depth = 0;
        loop {
            let symbol = match self.token {
                Token::End => return Err(self.wrong("the end")),
                Token::Symbol(symbol) => symbol,
                _ => ' ',
            };
            self.advance()?;
            match symbol {
                _ if symbol == end && depth == 0 => return Ok(()),
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth -= 1,
                _ => {}
            }
        }
    }

    fn advance(&mut self) -> Parse {
        self.token = self.lexer.next().map_err(|why| malformed(why.into()))?;
        Ok(())
    }

    fn eat(&mut self, symbol: char) -> Parse<bool> {
        let found = self.token == Token::Symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn symbol(&mut self, symbol: char) -> Parse {
        match self.eat(symbol)? {
            true => Ok(()),
            false => Err(self.wrong(&format!("{}, where {symbol:?} was expected", self.found()))),
        }
    }

    fn word(&mut self) -> Parse<&'a str> {
        let Token::Word(word) = self.token else {
            return Err(self.wrong(&format!("{}, where a name was expected", self.found())));
        };
        self.advance()?;
        Ok(word)
    }

    /// Words with dots between them, and perhaps one in front.
    fn full_name(&mut self) -> Parse<String> {
        let mut name = String::new();
        if self.eat('.')? {
            name.push('.');
        }
        loop {
            name.push_str(self.word()?);
            if !self.eat('.')? {
                return Ok(name);
            }
            name.push('.');
        }
    }

    fn text(&mut self) -> Parse<String> {
        let Token::Text(text) = self.token else {
            return Err(self.wrong(&format!("{}, where a string was expected", self.found())));
        };
        self.advance()?;
        Ok(unescape(text))
    }

    fn integer(&mut self) -> Parse<i32> {
        let negative = self.eat('-')?;
        let Token::Number(number) = self.token else {
            return Err(self.wrong(&format!("{}, where a number was expected", self.found())));
        };
        let value = match number.strip_prefix("0x").or(number.strip_prefix("0X")) {
            Some(digits) => i64::from_str_radix(digits, 16),
            None if number.starts_with('0') => i64::from_str_radix(number, 8),
            None => number.parse(),
        };
        let value = value.ok().map(|value| if negative { -value } else { value });
        let Some(value) = value.and_then(|value| i32::try_from(value).ok()) else {
            return Err(self.wrong(&format!("{number}, which is no whole number of 32 bits")));
        };
        self.advance()?;
        Ok(value)
    }

    fn found(&self) -> String {
        match self.token {
            Token::Word(text) | Token::Number(text) => excerpt(text.as_bytes()),
            Token::Text(text) => format!("{:?}", excerpt(text.as_bytes())),
            Token::Symbol(symbol) => format!("{symbol:?}"),
            Token::End => "the end".into(),
        }
    }

    #[cold]
    fn wrong(&self, found: &str) -> Box<RowError> {
        malformed(format!("found {found}"))
    }
}
