//! What values of one field had in common.

use std::collections::HashMap;

use crate::schema::DataType;

/// Integers up to this are exact in a double.
const EXACT_IN_DOUBLE: u64 = 1 << 53;
pub const MAX_PRECISION: u32 = 38;

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Seen {
    /// Nothing but null.
    #[default]
    Nothing,
    Boolean,
    Integer(Integers),
    /// JSON numbers with a fraction or an exponent, or beyond a long. What they are exactly is not known.
    Number,
    Float,
    Double,
    Decimal {
        /// Most digits before the point.
        digits: u32,
        /// Most digits behind it.
        scale: u32,
    },
    String,
    Binary,
    Date,
    Timestamp,
    Array(Box<Seen>),
    Struct(Members),
    Map(Box<Seen>, Box<Seen>),
    /// The table's type stays, whatever the values are.
    Settled,
    /// Two kinds of values that have no type in common.
    Unclear(String, String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Integers {
    /// The widest that their schemas or classes name.
    pub declared: DataType,
    pub least: i64,
    pub greatest: i64,
    exact_in_double: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Members {
    list: Vec<(String, Seen)>,
    /// By name in lower case.
    by_name: HashMap<String, usize>,
}

impl Seen {
    pub fn integer(declared: DataType, value: i64) -> Seen {
        let exact_in_double =
            value.unsigned_abs() <= EXACT_IN_DOUBLE || value as f64 as i128 == i128::from(value);
        Seen::Integer(Integers { declared, least: value, greatest: value, exact_in_double })
    }

    /// Of as many digits before the point and behind it.
    pub fn decimal(digits: u32, scale: u32) -> Seen {
        if digits + scale <= MAX_PRECISION {
            return Seen::Decimal { digits, scale };
        }
        Seen::Unclear(
            format!("decimals with {digits} digits before the point"),
            format!("decimals with {scale} digits behind it, more than {MAX_PRECISION} together"),
        )
    }

    /// What the values of a column of the table may tell about it.
    pub fn for_column(data_type: &DataType) -> Seen {
        match data_type {
            DataType::Struct(fields) => {
                let mut members = Members::default();
                for field in fields {
                    members.add(field.name.clone(), Seen::for_column(&field.data_type));
                }
                Seen::Struct(members)
            }
            DataType::Array { element, .. } => Seen::Array(Box::new(Seen::for_column(element))),
            DataType::Map { key, value, .. } => {
                Seen::Map(Box::new(Seen::for_column(key)), Box::new(Seen::for_column(value)))
            }
            DataType::Byte | DataType::Short | DataType::Integer | DataType::Long => Seen::Nothing,
            DataType::Float | DataType::Decimal { .. } => Seen::Nothing,
            _ => Seen::Settled,
        }
    }

    pub fn add(&mut self, other: Seen) {
        *self = std::mem::take(self).with(other);
    }

    fn with(self, other: Seen) -> Seen {
        use Seen::*;
        match (self, other) {
            (Settled, _) => Settled,
            (Nothing, seen) | (seen, Nothing) => seen,
            (Unclear(one, other), _) | (_, Unclear(one, other)) => Unclear(one, other),
            (Integer(one), Integer(other)) => Integer(one.with(other)),
            (Integer(integers), number @ (Number | Float | Double))
            | (number @ (Number | Float | Double), Integer(integers))
                if integers.exact_in_double =>
            {
                if number == Number {
                    Number
                } else {
                    Double
                }
            }
            (Number, Float | Double) | (Float | Double, Number) | (Float, Double) | (Double, Float) => Double,
            (Decimal { digits, scale }, Integer(integers))
            | (Integer(integers), Decimal { digits, scale }) => {
                Seen::decimal(digits.max(integers.digits()), scale)
            }
            (Decimal { digits: a, scale: b }, Decimal { digits, scale }) => {
                Seen::decimal(digits.max(a), scale.max(b))
            }
            (Array(mut elements), Array(other)) => {
                elements.add(*other);
                Array(elements)
            }
            (Struct(mut members), Struct(other)) => {
                for (name, seen) in other.list {
                    members.add(name, seen);
                }
                Struct(members)
            }
            (Map(mut keys, mut values), Map(other_keys, other_values)) => {
                keys.add(*other_keys);
                values.add(*other_values);
                Map(keys, values)
            }
            // The table has a map of strings.
            (Map(keys, mut values), Struct(members)) if *keys == Settled => {
                members.list.into_iter().for_each(|(_, seen)| values.add(seen));
                Map(keys, values)
            }
            (one, other) if one == other => one,
            (one, other) => Unclear(one.kind(), other.kind()),
        }
    }

    fn kind(&self) -> String {
        let kind = match self {
            Seen::Nothing | Seen::Settled => "null",
            Seen::Boolean => "boolean",
            Seen::Integer(integers) if !integers.exact_in_double => {
                "integers that a double cannot hold exactly"
            }
            Seen::Integer(integers) => return integers.declared.to_string(),
            Seen::Float => "float",
            Seen::Number | Seen::Double => "double",
            Seen::Decimal { .. } => "decimal",
            Seen::String => "string",
            Seen::Binary => "binary",
            Seen::Date => "date",
            Seen::Timestamp => "timestamp",
            Seen::Array(_) => "array",
            Seen::Struct(_) => "struct",
            Seen::Map(..) => "map",
            Seen::Unclear(one, _) => one,
        };
        kind.to_owned()
    }

    /// Fields at every depth.
    pub fn fields(&self) -> usize {
        match self {
            Seen::Array(elements) => elements.fields(),
            Seen::Struct(members) => members.iter().map(|(_, seen)| 1 + seen.fields()).sum(),
            Seen::Map(keys, values) => keys.fields() + values.fields(),
            _ => 0,
        }
    }
}

impl Integers {
    fn with(self, other: Integers) -> Integers {
        Integers {
            declared: self.declared.wider(&other.declared).unwrap_or(self.declared),
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            exact_in_double: self.exact_in_double && other.exact_in_double,
        }
    }

    /// Digits of the longest.
    pub fn digits(&self) -> u32 {
        let magnitude = self.least.unsigned_abs().max(self.greatest.unsigned_abs());
        magnitude.checked_ilog10().map_or(0, |log| log + 1)
    }

    /// The smallest type that holds them.
    pub fn smallest(&self) -> DataType {
        let fit = |least: i64, greatest: i64| least <= self.least && self.greatest <= greatest;
        if fit(i8::MIN.into(), i8::MAX.into()) {
            DataType::Byte
        } else if fit(i16::MIN.into(), i16::MAX.into()) {
            DataType::Short
        } else if fit(i32::MIN.into(), i32::MAX.into()) {
            DataType::Integer
        } else {
            DataType::Long
        }
    }
}

impl Members {
    /// The first spelling of a name stays.
    pub fn add(&mut self, name: String, seen: Seen) {
        match self.by_name.get(&name.to_lowercase()) {
            Some(&at) => self.list[at].1.add(seen),
            None => {
                self.by_name.insert(name.to_lowercase(), self.list.len());
                self.list.push((name, seen));
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&Seen> {
        self.by_name.get(&name.to_lowercase()).map(|&at| &self.list[at].1)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(String, Seen)> {
        self.list.iter()
    }
}
