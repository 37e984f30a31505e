//! What computes a column: its parts and their types.

use std::fmt;

use super::path::{self, Path};
use crate::schema::{DataType, Field};

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A value of the record or of a column before; the type only where the user gave one.
    Field {
        path: Path,
        data_type: Option<DataType>,
    },
    Literal(Literal),
    Kafka(Kafka),
    /// Several parts of the record's metadata as one struct.
    KafkaStruct(Vec<Kafka>),
    /// The last header of that name.
    Header(String),
    Call {
        name: String,
        function: Function,
        source: Box<Expression>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    String(String),
    Boolean(bool),
    /// The type is one of the four whole-number types, and the number fits.
    Integer(i64, DataType),
}

/// A part of a record's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kafka {
    Topic,
    Partition,
    Offset,
    Timestamp,
    TimestampType,
    Key,
    Headers,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Function {
    /// In characters (code points); the first is 0.
    Substring {
        start: usize,
        length: usize,
    },
    /// From a number of units since the epoch, each of so many microseconds.
    Timestamp {
        unit_micros: i64,
    },
    Date,
    Hour,
    Month,
    Year,
    Bucket(u32),
    Truncate(u32),
    Json {
        path: Path,
        data_type: DataType,
    },
}

impl Kafka {
    pub const ALL: [(&str, Kafka); 7] = [
        ("topic", Kafka::Topic),
        ("partition", Kafka::Partition),
        ("offset", Kafka::Offset),
        ("timestamp", Kafka::Timestamp),
        ("timestamp_type", Kafka::TimestampType),
        ("key", Kafka::Key),
        ("headers", Kafka::Headers),
    ];

    pub fn from_name(name: &str) -> Option<Kafka> {
        Kafka::ALL.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
    }

    pub fn name(self) -> &'static str {
        Kafka::ALL.iter().find(|(_, part)| *part == self).map_or("", |(name, _)| name)
    }

    pub fn data_type(self) -> DataType {
        match self {
            Kafka::Topic | Kafka::TimestampType => DataType::String,
            Kafka::Partition => DataType::Integer,
            Kafka::Offset => DataType::Long,
            Kafka::Timestamp => DataType::Timestamp,
            Kafka::Key => DataType::Binary,
            Kafka::Headers => DataType::Array {
                element: Box::new(DataType::Struct(vec![
                    Field { nullable: false, ..path::nullable("key", DataType::String) },
                    path::nullable("value", DataType::Binary),
                ])),
                contains_null: false,
            },
        }
    }
}

impl Function {
    /// The type that a source gets which the table does not have.
    fn wants(&self) -> Option<DataType> {
        match self {
            Function::Substring { .. } | Function::Json { .. } => Some(DataType::String),
            Function::Timestamp { .. } => Some(DataType::Long),
            Function::Date | Function::Hour | Function::Month | Function::Year => Some(DataType::Timestamp),
            Function::Bucket(_) | Function::Truncate(_) => None,
        }
    }

    /// The type of the result; the error says which types the function takes.
    fn result(&self, source: &DataType) -> Result<DataType, &'static str> {
        use DataType::*;
        let whole = matches!(source, Byte | Short | Integer | Long);
        let instant = matches!(source, Timestamp | TimestampNtz);
        let decimal = matches!(source, Decimal { .. });
        let text = matches!(source, String | Binary);
        let check = |ok: bool, result: DataType, takes| if ok { Ok(result) } else { Err(takes) };
        match self {
            Function::Substring { .. } => check(*source == String, String, "string"),
            Function::Timestamp { .. } => check(whole, Timestamp, "byte, short, integer or long"),
            Function::Date | Function::Month | Function::Year => {
                check(instant || *source == Date, Date, "timestamp, timestamp_ntz or date")
            }
            Function::Hour => check(instant, source.clone(), "timestamp or timestamp_ntz"),
            Function::Bucket(_) => check(
                whole || instant || decimal || text || *source == Date,
                Integer,
                "byte, short, integer, long, decimal, string, binary, date, timestamp or timestamp_ntz",
            ),
            Function::Truncate(_) => check(
                whole || decimal || text,
                source.clone(),
                "byte, short, integer, long, decimal, string or binary",
            ),
            Function::Json { data_type, .. } => check(*source == String, data_type.clone(), "string"),
        }
    }
}

impl Expression {
    /// The path that is read, and the type it gets where nothing else says so.
    pub fn reads(&self) -> Option<(&Path, Option<DataType>)> {
        match self {
            Expression::Field { path, data_type } => Some((path, data_type.clone())),
            Expression::Call { function, source, .. } => {
                let (path, data_type) = source.reads()?;
                Some((path, data_type.or_else(|| function.wants())))
            }
            _ => None,
        }
    }

    /// The parts of the metadata that it is made from. A header needs them all.
    pub fn kafka(&self) -> &[Kafka] {
        match self {
            Expression::Kafka(part) => std::slice::from_ref(part),
            Expression::KafkaStruct(parts) => parts,
            Expression::Header(_) => &[Kafka::Headers],
            Expression::Call { source, .. } => source.kafka(),
            Expression::Field { .. } | Expression::Literal(_) => &[],
        }
    }

    /// The last part of the source's name: `b` of `day(a.b)`.
    pub fn source_name(&self) -> &str {
        match self {
            Expression::Field { path, .. } => path.last_name(),
            Expression::Kafka(part) => part.name(),
            Expression::Header(name) => name,
            Expression::Call { source, .. } => source.source_name(),
            Expression::Literal(_) | Expression::KafkaStruct(_) => "",
        }
    }

    /// `scope` are the columns that can be read; a later one hides those before it.
    pub fn data_type(&self, scope: &[Field]) -> Result<DataType, String> {
        match self {
            Expression::Field { path, data_type } => {
                let column = find_in_scope(scope, path)?;
                let found = path::type_at(&scope[column].data_type, &path.steps)?;
                match data_type {
                    Some(given) if given != found => Err(format!(
                        "{path} is of type {found}, not {given}: leave the type out or correct it"
                    )),
                    _ => Ok(found.clone()),
                }
            }
            Expression::Literal(Literal::String(_)) | Expression::Header(_) => Ok(DataType::String),
            Expression::Literal(Literal::Boolean(_)) => Ok(DataType::Boolean),
            Expression::Literal(Literal::Integer(_, data_type)) => Ok(data_type.clone()),
            Expression::Kafka(part) => Ok(part.data_type()),
            Expression::KafkaStruct(parts) => Ok(DataType::Struct(kafka_fields(parts))),
            Expression::Call { name, function, source } => {
                let found = source.data_type(scope)?;
                function.result(&found).map_err(|takes| format!("{name} takes {takes}; {source} is {found}"))
            }
        }
    }
}

pub fn kafka_fields(parts: &[Kafka]) -> Vec<Field> {
    parts.iter().map(|part| path::nullable(part.name(), part.data_type())).collect()
}

/// The column that a path starts with; a later one hides those before it.
pub fn find_in_scope(scope: &[Field], path: &Path) -> Result<usize, String> {
    let found = scope.iter().rposition(|field| path::same(&field.name, &path.root));
    found.ok_or_else(|| format!("there is no column {}", path.root))
}

/// As a user would write it, without the arguments after the source.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Field { path, .. } => write!(f, "{path}"),
            Expression::Literal(_) => f.write_str("literal"),
            Expression::Kafka(part) => write!(f, "kafka.{}", part.name()),
            Expression::KafkaStruct(_) => f.write_str("kafka"),
            Expression::Header(name) => write!(f, "header('{name}')"),
            Expression::Call { name, source, .. } => write!(f, "{name}({source})"),
        }
    }
}
