//! The language of `delta.derived.columns` and `delta.partition.by`.

use super::expression::{Expression, Function, Kafka, Literal};
use super::path::{Path, Step};
use crate::schema::{DataType, Schema};

type Parsed<T> = Result<T, String>;

const FUNCTIONS: &str = "field, substring, timestamp_s, timestamp_ms, timestamp_us, date, day, hour, month, year, bucket, \
                         truncate, literal, header, json";
/// Calls in calls, and steps of a path.
const MAX_DEPTH: usize = 16;

pub struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// `name = expression; name = expression`.
pub fn derived(text: &str) -> Parsed<Vec<(String, Expression)>> {
    let mut parser = Parser::new(text);
    let mut columns = Vec::new();
    while !parser.at_end() {
        let name = parser.name()?;
        parser.expect('=')?;
        columns.push((name, parser.expression()?));
        if !parser.at_end() {
            parser.expect(';')?;
        }
    }
    Ok(columns)
}

/// Expressions, or names of columns, with commas between them.
pub fn list(text: &str) -> Parsed<Vec<Expression>> {
    let mut parser = Parser::new(text);
    let mut items = Vec::new();
    while !parser.at_end() {
        items.push(parser.expression()?);
        if !parser.at_end() {
            parser.expect(',')?;
        }
    }
    Ok(items)
}

/// Names of columns, or of fields of structs as `a.b`, each once, with commas between them.
pub fn names(text: &str) -> Parsed<Vec<String>> {
    let mut parser = Parser::new(text);
    let mut names = Vec::new();
    while !parser.at_end() {
        let mut name = parser.name()?;
        while parser.accept('.') {
            name = format!("{name}.{}", parser.name()?);
        }
        if names.contains(&name) {
            return Err(format!("{name} is given twice"));
        }
        names.push(name);
        if !parser.at_end() {
            parser.expect(',')?;
        }
    }
    Ok(names)
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Parser { text, at: 0, depth: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Parsed<()> {
        if self.accept(wanted) { Ok(()) } else { Err(self.expected(&format!("{wanted:?}"))) }
    }

    fn expected(&mut self, what: &str) -> String {
        let found = self.peek().map_or("the end".to_owned(), |found| format!("{found:?}"));
        self.wrong(&format!("{what} expected, not {found}"))
    }

    fn wrong(&self, why: &str) -> String {
        format!("at character {}: {why}", self.text[..self.at].chars().count() + 1)
    }

    fn word(&mut self) -> &'a str {
        self.peek();
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
        let length = self.rest().find(|c| !word(c)).unwrap_or(self.rest().len());
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    /// Text in quotes; a quote in it is written twice.
    fn quoted(&mut self, quote: char) -> Parsed<String> {
        self.expect(quote)?;
        let mut text = String::new();
        loop {
            let Some(length) = self.rest().find(quote) else {
                return Err(self.wrong(&format!("no closing {quote}")));
            };
            text.push_str(&self.rest()[..length]);
            self.at += length + 1;
            if !self.rest().starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
            self.at += 1;
        }
    }

    fn name(&mut self) -> Parsed<String> {
        if self.peek() == Some('`') {
            return match self.quoted('`')? {
                name if name.is_empty() => Err(self.wrong("an empty name")),
                name => Ok(name),
            };
        }
        match self.word() {
            "" => Err(self.expected(
                "a name (in `backquotes` where it has other characters than letters, digits, _ - $ @)",
            )),
            word => Ok(word.to_owned()),
        }
    }

    fn path(&mut self) -> Parsed<Path> {
        let root = self.name()?;
        self.steps(root)
    }

    fn steps(&mut self, root: String) -> Parsed<Path> {
        let mut steps = Vec::new();
        loop {
            if steps.len() > MAX_DEPTH {
                return Err(self.wrong(&format!("a path of more than {MAX_DEPTH} steps")));
            }
            if self.accept('.') {
                steps.push(Step::Name(self.name()?));
            } else if self.accept('[') {
                steps.push(Step::Index(self.number("a position, the first being 0,", u32::MAX)? as usize));
                self.expect(']')?;
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    fn number(&mut self, what: &str, max: u32) -> Parsed<u32> {
        self.peek();
        let start = self.at;
        match self.word().parse() {
            Ok(number) if number <= max => Ok(number),
            _ => {
                self.at = start;
                Err(self.expected(&format!("{what} from 0 to {max}")))
            }
        }
    }

    fn positive(&mut self, what: &str) -> Parsed<u32> {
        self.peek();
        let start = self.at;
        match self.number(what, i32::MAX as u32)? {
            0 => {
                self.at = start;
                Err(self.wrong(&format!("{what} has to be at least 1")))
            }
            number => Ok(number),
        }
    }

    fn data_type(&mut self) -> Parsed<DataType> {
        self.peek();
        let start = self.at;
        let mut name = self.word().to_owned();
        if self.accept('(') {
            let precision = self.number("a precision", 38)?;
            self.expect(',')?;
            let scale = self.number("a scale", 38)?;
            self.expect(')')?;
            name = format!("{name}({precision},{scale})");
        }
        let column = serde_json::json!({"name": "x", "type": name, "nullable": true});
        let schema = serde_json::json!({"type": "struct", "fields": [column]});
        match Schema::parse(&schema.to_string()) {
            Ok(mut schema) => Ok(schema.fields.swap_remove(0).data_type),
            Err(_) => {
                self.at = start;
                Err(self.wrong(&format!(
                    "{name:?} is not a type; there are byte, short, integer, long, float, double, decimal(p,s), string, \
                     binary, boolean, date, timestamp and timestamp_ntz"
                )))
            }
        }
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(&format!("more than {MAX_DEPTH} calls in one another")));
        }
        let is_plain = self.peek() != Some('`');
        let start = self.at;
        let name = self.name()?;
        let parsed = if is_plain && self.accept('(') {
            let call = self.call(&name, start)?;
            self.expect(')')?;
            call
        } else {
            let path = self.steps(name)?;
            match path.steps.as_slice() {
                [Step::Name(part)] if is_plain && path.root == "kafka" => match Kafka::from_name(part) {
                    Some(part) => Expression::Kafka(part),
                    None => {
                        self.at = start;
                        let known = Kafka::ALL.map(|(name, _)| name).join(", ");
                        return Err(self.wrong(&format!(
                            "kafka.{part} is none of {known}; a field of the record is read with field(kafka.{part})"
                        )));
                    }
                },
                _ => Expression::Field { path, data_type: None },
            }
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn call(&mut self, name: &str, start: usize) -> Parsed<Expression> {
        let (function, source) = match name {
            "field" => {
                let path = self.path()?;
                let data_type = if self.accept(',') { Some(self.data_type()?) } else { None };
                return Ok(Expression::Field { path, data_type });
            }
            "literal" => return Ok(Expression::Literal(self.literal()?)),
            "header" => return Ok(Expression::Header(self.quoted('\'')?)),
            "bucket" | "truncate" => {
                let is_bucket = name == "bucket";
                let size = self.positive(if is_bucket { "the number of buckets" } else { "the width" })?;
                self.expect(',')?;
                let function = if is_bucket { Function::Bucket(size) } else { Function::Truncate(size) };
                (function, self.expression()?)
            }
            "substring" => {
                let source = self.expression()?;
                self.expect(',')?;
                let start = self.number("the first character's position", u32::MAX)? as usize;
                self.expect(',')?;
                let length = self.number("the number of characters", u32::MAX)? as usize;
                (Function::Substring { start, length }, source)
            }
            "json" => {
                let source = self.expression()?;
                self.expect(',')?;
                let text = self.quoted('\'')?;
                let mut inner = Parser::new(&text);
                let path =
                    inner.path().map_err(|why| self.wrong(&format!("before here in '{text}' {why}")))?;
                if !inner.at_end() {
                    let why = inner.expected("the end");
                    return Err(self.wrong(&format!("before here in '{text}' {why}")));
                }
                self.expect(',')?;
                (Function::Json { path, data_type: self.data_type()? }, source)
            }
            _ => {
                let function = match name {
                    "timestamp_s" => Function::Timestamp { unit_micros: 1_000_000 },
                    "timestamp_ms" => Function::Timestamp { unit_micros: 1_000 },
                    "timestamp_us" => Function::Timestamp { unit_micros: 1 },
                    "date" | "day" => Function::Date,
                    "hour" => Function::Hour,
                    "month" => Function::Month,
                    "year" => Function::Year,
                    _ => {
                        self.at = start;
                        return Err(
                            self.wrong(&format!("there is no function {name:?}; there are {FUNCTIONS}"))
                        );
                    }
                };
                (function, self.expression()?)
            }
        };
        Ok(Expression::Call { name: name.to_owned(), function, source: Box::new(source) })
    }

    fn literal(&mut self) -> Parsed<Literal> {
        if self.peek() == Some('\'') {
            return Ok(Literal::String(self.quoted('\'')?));
        }
        let start = self.at;
        let number = match self.word() {
            "true" => return Ok(Literal::Boolean(true)),
            "false" => return Ok(Literal::Boolean(false)),
            word => word.parse().map_err(|_| {
                self.at = start;
                self.expected("'text', a whole number in the range of a long, true or false")
            })?,
        };
        let data_type = if self.accept(',') { self.data_type()? } else { DataType::Long };
        let fits = match data_type {
            DataType::Byte => i8::try_from(number).is_ok(),
            DataType::Short => i16::try_from(number).is_ok(),
            DataType::Integer => i32::try_from(number).is_ok(),
            DataType::Long => true,
            _ => false,
        };
        if fits {
            return Ok(Literal::Integer(number, data_type));
        }
        self.at = start;
        Err(self.wrong(&format!("{number} is not a value of type {data_type}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Expression {
        let mut items = list(text).unwrap();
        assert_eq!(items.len(), 1, "{text}");
        items.remove(0)
    }

    fn field(path: &str) -> Expression {
        let mut parts = path.split('.').map(str::to_owned);
        let root = parts.next().unwrap();
        Expression::Field { path: Path { root, steps: parts.map(Step::Name).collect() }, data_type: None }
    }

    fn call(name: &str, function: Function, source: Expression) -> Expression {
        Expression::Call { name: name.into(), function, source: Box::new(source) }
    }

    #[test]
    fn every_form_is_read() {
        let substring = Function::Substring { start: 0, length: 10 };
        let json = Function::Json {
            path: Path { root: "a".into(), steps: vec![Step::Index(3), Step::Name("b".into())] },
            data_type: DataType::Decimal { precision: 10, scale: 2 },
        };
        let typed = Expression::Field {
            path: Path { root: "a.b".into(), steps: vec![Step::Index(0), Step::Name("c`d".into())] },
            data_type: Some(DataType::Long),
        };
        for (text, expected) in [
            ("a.b", field("a.b")),
            (" field ( a . b ) ", field("a.b")),
            ("field", field("field")),
            ("field(`a.b`[0].`c``d`, long)", typed),
            ("field(kafka.topic)", field("kafka.topic")),
            ("`kafka`.topic", field("kafka.topic")),
            ("kafka.timestamp_type", Expression::Kafka(Kafka::TimestampType)),
            ("substring(s,0,10)", call("substring", substring, field("s"))),
            (
                "timestamp_ms(a.ts)",
                call("timestamp_ms", Function::Timestamp { unit_micros: 1000 }, field("a.ts")),
            ),
            ("day(kafka.timestamp)", call("day", Function::Date, Expression::Kafka(Kafka::Timestamp))),
            ("bucket(16, id)", call("bucket", Function::Bucket(16), field("id"))),
            ("truncate(4,name)", call("truncate", Function::Truncate(4), field("name"))),
            ("literal('it''s; = ok,')", Expression::Literal(Literal::String("it's; = ok,".into()))),
            ("literal(-5)", Expression::Literal(Literal::Integer(-5, DataType::Long))),
            ("literal(-5, byte)", Expression::Literal(Literal::Integer(-5, DataType::Byte))),
            ("literal(true)", Expression::Literal(Literal::Boolean(true))),
            ("header('trace.id')", Expression::Header("trace.id".into())),
            ("json(doc, 'a[3].b', decimal(10, 2))", call("json", json, field("doc"))),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        assert_eq!(list("a, day(b) ,c").unwrap().len(), 3);
        assert_eq!(list("  ").unwrap(), []);
        let columns = derived("a = literal('x;y') ; `b c`=date(timestamp_s(t));").unwrap();
        assert_eq!(columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b c"]);
    }

    #[test]
    fn mistakes_are_shown_with_their_place() {
        for (text, expected) in [
            ("x", "at character 2: '=' expected, not the end"),
            (
                "x = ",
                "at character 5: a name (in `backquotes` where it has other characters than letters, digits, _ - $ @) expected, not the end",
            ),
            ("x = day(ts", "at character 11: ')' expected, not the end"),
            ("x = day(ts) y = z", "at character 13: ';' expected, not 'y'"),
            ("é = days(ts)", "at character 5: there is no function \"days\"; there are field,"),
            ("x = kafka.time", "at character 5: kafka.time is none of topic, partition, offset,"),
            ("x = bucket(0, a)", "at character 12: the number of buckets has to be at least 1"),
            (
                "x = bucket(a, 4)",
                "at character 12: the number of buckets from 0 to 2147483647 expected, not 'a'",
            ),
            (
                "x = substring(a, -1, 4)",
                "at character 18: the first character's position from 0 to 4294967295 expected, not '-'",
            ),
            ("x = field(a, int)", "at character 14: \"int\" is not a type; there are byte,"),
            ("x = field(a, decimal(3,4))", "at character 14: \"decimal(3,4)\" is not a type"),
            ("x = literal(300, byte)", "at character 13: 300 is not a value of type byte"),
            ("x = literal(1.5)", "at character 14: ')' expected, not '.'"),
            (
                "x = literal(null)",
                "at character 13: 'text', a whole number in the range of a long, true or false expected, not 'n'",
            ),
            ("x = header(name)", "at character 12: '\\'' expected, not 'n'"),
            ("x = header('name", "at character 13: no closing '"),
            ("x = json(a, 'b..c', long)", "at character 19: before here in 'b..c' at character 3: a name"),
            (
                "x = json(a, 'b c', long)",
                "at character 18: before here in 'b c' at character 3: the end expected",
            ),
        ] {
            let message = derived(text).unwrap_err();
            assert!(message.starts_with(expected), "{text}: {message}");
        }
        let deep = format!("x = {}ts{}", "date(".repeat(16), ")".repeat(16));
        assert!(derived(&deep).unwrap_err().contains("more than 16"));
    }
}
