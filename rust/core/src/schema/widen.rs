//! The type changes that Delta's type widening allows.

use super::DataType;

const MAX_PRECISION: u8 = 38;

impl DataType {
    /// The smallest type that holds this type's values and `other`'s and that this type may be changed to. None: it stays.
    pub(super) fn wider(&self, other: &DataType) -> Option<DataType> {
        use DataType::*;
        let wider = match (self, other) {
            (Byte, Short | Integer | Long) | (Short, Integer | Long) | (Integer, Long) => other.clone(),
            (Byte | Short | Integer, Float | Double) | (Float, Integer | Double) => Double,
            (Date, TimestampNtz) => TimestampNtz,
            (Byte | Short | Integer | Long, Decimal { precision, scale }) => {
                decimal(self.digits_as_decimal()?.max(precision - scale), *scale)?
            }
            (Decimal { precision, scale }, Byte | Short | Integer | Long) => {
                decimal(other.digits()?.max(precision - scale), *scale)?
            }
            (Decimal { precision, scale }, Decimal { precision: other_precision, scale: other_scale }) => {
                decimal((precision - scale).max(other_precision - other_scale), *scale.max(other_scale))?
            }
            _ => return None,
        };
        (wider != *self).then_some(wider)
    }

    /// Whether Delta allows this type to be changed to `to`, in one step or several.
    pub(super) fn widens_to(&self, to: &DataType) -> bool {
        use DataType::*;
        match (self, to) {
            (Byte, Short | Integer | Long) | (Short, Integer | Long) | (Integer, Long) => true,
            (Byte | Short | Integer | Float, Double) | (Date, TimestampNtz) => true,
            (Byte | Short | Integer | Long, Decimal { precision, scale }) => {
                self.digits_as_decimal().is_some_and(|digits| precision - scale >= digits)
            }
            (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => {
                scale >= s && precision - scale >= p - s && self != to
            }
            _ => false,
        }
    }

    /// The decimal digits that every value of an integer type fits in.
    fn digits(&self) -> Option<u8> {
        match self {
            DataType::Byte => Some(3),
            DataType::Short => Some(5),
            DataType::Integer => Some(10),
            DataType::Long => Some(19),
            _ => None,
        }
    }

    /// The digits before the point that the protocol asks for when an integer type becomes a decimal.
    fn digits_as_decimal(&self) -> Option<u8> {
        self.digits().map(|digits| if digits <= 10 { 10 } else { 20 })
    }
}

fn decimal(digits: u8, scale: u8) -> Option<DataType> {
    let precision = digits + scale;
    (precision <= MAX_PRECISION).then_some(DataType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::*;

    fn decimal(precision: u8, scale: u8) -> DataType {
        Decimal { precision, scale }
    }

    fn types() -> Vec<DataType> {
        let mut types = vec![
            Byte,
            Short,
            Integer,
            Long,
            Float,
            Double,
            String,
            Binary,
            Boolean,
            Date,
            Timestamp,
            TimestampNtz,
        ];
        types.extend(
            (1..=38).flat_map(|precision| (0..=precision).map(move |scale| decimal(precision, scale))),
        );
        types
    }

    #[test]
    fn only_changes_that_the_protocol_allows_are_made() {
        for from in types() {
            for other in types() {
                let Some(wider) = from.wider(&other) else { continue };
                assert!(from.widens_to(&wider), "{from} with {other} became {wider}");
                assert_eq!(
                    wider.wider(&other),
                    None,
                    "{from} with {other} became {wider}, which is too small"
                );
                assert_eq!(wider.wider(&from), None, "{wider}");
            }
        }
    }

    #[test]
    fn the_smallest_type_that_holds_both_is_chosen() {
        for (table, wanted, wider) in [
            (Byte, Integer, Some(Integer)),
            (Long, Integer, None),
            (Integer, Float, Some(Double)),
            (Float, Integer, Some(Double)),
            (Float, Short, None),
            (Long, Double, None),
            (Double, Long, None),
            (Double, Float, None),
            (Integer, decimal(5, 1), Some(decimal(11, 1))),
            (Byte, decimal(5, 1), Some(decimal(11, 1))),
            (Long, decimal(38, 1), None),
            (Long, decimal(3, 0), Some(decimal(20, 0))),
            (decimal(5, 1), Byte, None),
            (decimal(5, 1), Integer, Some(decimal(11, 1))),
            (decimal(10, 1), decimal(5, 3), Some(decimal(12, 3))),
            (decimal(38, 0), decimal(2, 1), None),
            (Date, TimestampNtz, Some(TimestampNtz)),
            (Date, Timestamp, None),
            (Timestamp, TimestampNtz, None),
            (String, Long, None),
            (Long, String, None),
            (Double, decimal(5, 1), None),
        ] {
            assert_eq!(table.wider(&wanted), wider, "{table} with {wanted}");
        }
    }

    #[test]
    fn several_changes_in_a_row_are_one_change() {
        let types = types();
        let small =
            |data_type: &&DataType| !matches!(data_type, Decimal { precision, .. } if precision % 9 != 2);
        for from in types.iter().filter(small) {
            assert!(!from.widens_to(from));
            for between in types.iter().filter(|between| from.widens_to(between)) {
                for to in types.iter().filter(|to| between.widens_to(to)) {
                    assert!(from.widens_to(to), "{from} -> {between} -> {to}");
                }
            }
        }
    }
}
