//! The message indexes between a Confluent header and the message.

use super::wire::{Input, malformed, zigzag};
use crate::decode::{MAX_DEPTH, Parse};

/// Reads what stands in front of the message into `indexes`, and returns how many bytes it is.
///
/// A count and as many indexes, all as variable-length zig-zag numbers; a count of 0 stands for the one index 0
/// (Confluent, "Wire format", and `MessageIndexes` of its serializers, which write with `ByteUtils.writeVarint` of Kafka).
pub fn message_indexes(payload: &[u8], indexes: &mut Vec<i32>) -> Parse<usize> {
    indexes.clear();
    if payload.first() == Some(&0) {
        indexes.push(0);
        return Ok(1);
    }
    let mut input = Input::new(payload);
    let count = zigzag(input.varint()?);
    if !(1..=MAX_DEPTH as i64).contains(&count) {
        return Err(malformed(format!("{count} message indexes, of which there are 1 to {MAX_DEPTH}")));
    }
    for _ in 0..count {
        let index = zigzag(input.varint()?);
        match i32::try_from(index) {
            Ok(index) if index >= 0 => indexes.push(index),
            _ => return Err(malformed(format!("the message index {index}"))),
        }
    }
    Ok(input.position())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_zigzag_and_one_zero_is_the_first_message() {
        let read = |payload: &[u8]| {
            let mut indexes = vec![9];
            message_indexes(payload, &mut indexes).ok().map(|bytes| (indexes, bytes))
        };
        assert_eq!(read(&[0, 8, 1]), Some((vec![0], 1)));
        assert_eq!(read(&[2, 0, 8, 1]), Some((vec![0], 2)));
        assert_eq!(read(&[4, 2, 0]), Some((vec![1, 0], 3)));
        assert_eq!(read(&[2, 0x80, 1, 7]), Some((vec![64], 3)));
        // Nothing, cut short, negative, and more than there can be.
        for payload in
            [&[][..], &[4, 2], &[1], &[2, 1], &[0x82, 1], &[0xff; 12], &[2, 0xff, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }
}
