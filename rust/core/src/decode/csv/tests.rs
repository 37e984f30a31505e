//! One test for each rule of `docs/text.md`.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::Code::*;
use crate::schema::build::{array, field, schema};

fn of_strings(columns: usize, options: CsvOptions) -> CsvDecoder {
    let fields = (0..columns).map(|at| field(&format!("c{at}"), DataType::String, true)).collect();
    CsvDecoder::new(&Schema { fields }, options).unwrap()
}

fn of(data_type: DataType) -> CsvDecoder {
    CsvDecoder::new(&schema([field("v", data_type, true)]), CsvOptions::default()).unwrap()
}

fn finish(decoder: &mut CsvDecoder) -> RecordBatch {
    let batch = decoder.finish();
    for column in batch.columns() {
        column.to_data().validate_full().unwrap();
    }
    batch
}

/// Of a row of strings.
fn fields(batch: &RecordBatch, row: usize) -> Vec<Option<&str>> {
    let columns = batch.columns().iter().map(|column| column.as_string::<i32>());
    columns.map(|column| column.is_valid(row).then(|| column.value(row))).collect()
}

fn read(text: &str, columns: usize) -> Vec<Option<String>> {
    let mut decoder = of_strings(columns, CsvOptions::default());
    decoder.push(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let batch = finish(&mut decoder);
    fields(&batch, 0).into_iter().map(|field| field.map(str::to_owned)).collect()
}

fn refused(text: &[u8], columns: usize) -> String {
    let mut decoder = of_strings(columns, CsvOptions::default());
    let error = decoder.push(text).unwrap_err();
    assert_eq!(error.code, RecordCsv, "{error}");
    assert_eq!((decoder.rows(), decoder.bytes()), (0, 0));
    error.message
}

#[test]
fn fields_are_separated_and_quoted_by_rfc_4180() {
    for (text, expected) in [
        ("a,b,c", &["a", "b", "c"][..]),
        ("a,b,c\n", &["a", "b", "c"]),
        ("a,b,c\r\n", &["a", "b", "c"]),
        (r#""a","b","c""#, &["a", "b", "c"]),
        (r#""a,b","c""d","e""#, &["a,b", "c\"d", "e"]),
        ("\"\"\"\"\"\"", &["\"\""]),
        (r#""""a""b""#, &["\"a\"b"]),
        ("\"two\nlines\",\"and\r\ntwo\"", &["two\nlines", "and\r\ntwo"]),
        (" a , b ", &[" a ", " b "]),
        ("é,ü", &["é", "ü"]),
        ("a'b", &["a'b"]),
    ] {
        let expected: Vec<_> = expected.iter().map(|field| Some((*field).to_owned())).collect();
        assert_eq!(read(text, expected.len()), expected, "{text:?}");
    }
}

#[test]
fn an_empty_field_is_null_and_an_empty_quoted_one_is_not() {
    assert_eq!(read("", 1), [None]);
    assert_eq!(read("\n", 1), [None]);
    assert_eq!(read(",", 2), [None, None]);
    assert_eq!(read(r#""","#, 2), [Some(String::new()), None]);
    let options = CsvOptions { null: "\\N".into(), ..Default::default() };
    let mut decoder = of_strings(3, options);
    decoder.push(br#"\N,"\N","#).unwrap();
    let batch = finish(&mut decoder);
    assert_eq!(fields(&batch, 0), [None, Some("\\N"), Some("")]);
}

#[test]
fn what_is_not_one_row_is_refused_with_its_place() {
    for (text, expected) in [
        (&b"a\nb"[..], "the row has more than one line, at byte 1 ( b)"),
        (b"a\rb", "more than one line"),
        (b"a\n\n", "more than one line"),
        (b"\"a\"\nb", "more than one line"),
        (b"\"a\"b", "the row has text behind a closing quote, at byte 3 (b)"),
        (b"\"a\" ", "text behind a closing quote"),
        (b"a\"b", "the row has a quote in a field that is not quoted, at byte 1 (\"b)"),
        (b"\"a", "the row has a quote that is not closed, at byte 0 (\"a)"),
        (b"\"a\"\"", "a quote that is not closed, at byte 0"),
        (b"\"", "a quote that is not closed"),
        (b"a,b", "the row has more than the 1 fields that are expected, at byte 2 (b)"),
        (b"a,", "the row has more than the 1 fields that are expected, at the end"),
        (b"a\xff", "the row has text that is not UTF-8, at byte 1"),
        (b"\"\xc3\"", "text that is not UTF-8, at byte 1"),
    ] {
        let message = refused(text, 1);
        assert!(message.contains(expected), "{message}");
    }
    assert!(refused(b"a", 2).contains("1 fields, where 2 are expected, at the end"));
    assert!(refused(b"", 2).contains("1 fields, where 2 are expected"));
    assert!(refused(b"a,b,\n", 4).contains("3 fields, where 4 are expected"));
}

#[test]
fn delimiter_and_quote_are_settings() {
    let options = CsvOptions { delimiter: b'\t', quote: Some(b'\''), ..Default::default() };
    let mut decoder = of_strings(3, options);
    decoder.push(b"a,\"b\t'c\td'\t''").unwrap();
    assert_eq!(fields(&finish(&mut decoder), 0), [Some("a,\"b"), Some("c\td"), Some("")]);
    let mut unquoted = of_strings(2, CsvOptions { quote: None, ..Default::default() });
    unquoted.push(br#"5" pipe,"x""#).unwrap();
    assert_eq!(fields(&finish(&mut unquoted), 0), [Some("5\" pipe"), Some("\"x\"")]);
    for (delimiter, quote) in
        [(b',', Some(b',')), (b'\n', None), (0xe9, None), (b',', Some(b'\r')), (0, None)]
    {
        let options = CsvOptions { delimiter, quote, ..Default::default() };
        assert_eq!(check(&options).unwrap_err().code, ConfigInvalid, "{delimiter} {quote:?}");
    }
    for null in ["a,b", "x\n", "\"x", "x\"y"] {
        let options = CsvOptions { null: null.into(), ..Default::default() };
        assert_eq!(check(&options).unwrap_err().code, ConfigInvalid, "{null:?}");
    }
}

#[test]
fn values_are_exact_or_refused() {
    let decimal = DataType::Decimal { precision: 5, scale: 2 };
    for (data_type, good, bad) in [
        (
            DataType::Byte,
            &["0", "-128", "127", "1e2", "3.0"][..],
            &["128:R", "1.5:R", "x:T", " 1:T", "01:T", "+1:T"][..],
        ),
        (DataType::Short, &["-32768"], &["32768:R", "true:T"]),
        (DataType::Integer, &["2147483647"], &["2147483648:R"]),
        (DataType::Long, &["9223372036854775807"], &["9223372036854775808:R", "1_0:T", "0x1:T"]),
        (DataType::Float, &["0.1", "NaN", "-Infinity"], &["1e39:R", "nan:T"]),
        (DataType::Double, &["1e308", "Infinity", "5"], &["1e309:R", "1.:T", ".5:T"]),
        (decimal, &["1.1", "999.99", "1.100", "11e-1"], &["1000:R", "1.234:R", "1,0:T", "x:T"]),
        (DataType::Boolean, &["true", "false"], &["True:T", "1:T", "t:T"]),
        (DataType::Binary, &["Zm9v", "Zm8="], &["Zm9:T", "-_:T"]),
        (DataType::Date, &["2024-02-29"], &["2023-02-29:T", "2024-2-1:T", "19000:T"]),
        (
            DataType::Timestamp,
            &["2024-01-01T00:00:00Z", "2024-01-01 00:00:00.5+02:00"],
            &["2024-01-01:T", "1:T", "2024-01-01T00:00:00.1234567Z:R"],
        ),
        (DataType::TimestampNtz, &["2024-01-01T00:00:00"], &["2024-01-01T00:00:00Z:T"]),
    ] {
        let mut decoder = of(data_type.clone());
        for text in good {
            decoder.push(text.as_bytes()).unwrap_or_else(|error| panic!("{data_type} {text}: {error}"));
        }
        for case in bad {
            let (text, kind) = case.rsplit_once(':').unwrap();
            let expected = if kind == "R" { RecordRange } else { RecordType };
            let before = decoder.bytes();
            let error = decoder.push(format!("\"{text}\"").as_bytes()).unwrap_err();
            assert_eq!((error.code, &*error.path), (expected, "v"), "{data_type} {text}: {error}");
            assert_eq!((decoder.rows(), decoder.bytes()), (good.len(), before));
        }
        assert_eq!(finish(&mut decoder).num_rows(), good.len());
    }
    let mut decoder = of(decimal_of(5, 2));
    decoder.push(b"-1.5").unwrap();
    assert_eq!(finish(&mut decoder).column(0).as_primitive::<Decimal128Type>().value(0), -150);
    let mut decoder = of(DataType::Timestamp);
    decoder.push(b"1970-01-01T01:00:00+01:00").unwrap();
    assert_eq!(finish(&mut decoder).column(0).as_primitive::<TimestampMicrosecondType>().value(0), 0);
    let error = of(DataType::Long).push(b"12x").unwrap_err();
    assert_eq!(error.message, "column takes long, record has \"12x\"");
}

fn decimal_of(precision: u8, scale: u8) -> DataType {
    DataType::Decimal { precision, scale }
}

#[test]
fn columns_are_the_tables_or_those_that_are_listed() {
    let table = schema([
        field("id", DataType::Long, false),
        field("Name", DataType::String, true),
        field("list", array(DataType::Long, true), true),
    ]);
    let error = CsvDecoder::new(&table, CsvOptions::default()).err().unwrap();
    assert_eq!(error.code, SchemaInvalid);
    assert!(error.message.starts_with("column list: array<long>, which a field of CSV cannot hold"));

    let listed = |columns: &[&str]| CsvOptions {
        columns: columns.iter().map(|name| (*name).into()).collect(),
        ..Default::default()
    };
    let mut decoder = CsvDecoder::new(&table, listed(&["name", "other", "ID"])).unwrap();
    decoder.push(b"x,unknown,1").unwrap();
    decoder.push(b",,2").unwrap();
    assert_eq!(decoder.push(b"x,,").unwrap_err().code, RecordNull);
    let counts = decoder.take_unknown_fields();
    assert_eq!((counts.total, counts.names["other"]), (1, 1));
    let batch = finish(&mut decoder);
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(batch.column(1).null_count(), 1);
    assert_eq!(batch.column(2).null_count(), 2);

    let mut decoder = CsvDecoder::new(&table, listed(&["name"])).unwrap();
    let error = decoder.push(b"x").unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordNull, "id"));
    let options = CsvOptions { unknown_fields: UnknownFields::Fail, ..listed(&["id", "other"]) };
    let mut decoder = CsvDecoder::new(&table, options).unwrap();
    assert_eq!(decoder.push(b"1,x").unwrap_err().code, RecordUnknownField);
    assert_eq!(decoder.push(b"1,"), Ok(()));

    for columns in [&["id", "ID"][..], &["other", "id", "Other"]] {
        let error = CsvDecoder::new(&table, listed(columns)).err().unwrap();
        assert_eq!(error.code, ConfigInvalid);
    }
    assert!(CsvDecoder::new(&table, listed(&["list"])).is_err());
}

#[test]
fn a_refused_record_leaves_nothing_behind() {
    let table = schema([
        field("s", DataType::String, true),
        field("b", DataType::Binary, true),
        field("f", DataType::Boolean, true),
        field("n", DataType::Long, true),
    ]);
    let new = || CsvDecoder::new(&table, CsvOptions::default()).unwrap();
    let (mut decoder, mut expected) = (new(), new());
    let good = br#""te""xt",Zm9v,true,12"#;
    for _ in 0..4 {
        expected.push(good).unwrap();
        decoder.push(good).unwrap();
        for bad in [&b"text,Zm9vZ,true,12"[..], b"text,Zm9v,true,x", b"text,Zm9v,true", b"text,Zm9v,true,12,"]
        {
            decoder.push(bad).unwrap_err();
        }
        assert_eq!(decoder.bytes(), expected.bytes());
    }
    assert_eq!(finish(&mut decoder), finish(&mut expected));
    decoder.push(good).unwrap();
    assert_eq!(finish(&mut decoder).num_rows(), 1);
}

/// A writer that quotes what has to be quoted, and sometimes more.
fn written(random: &mut StdRng, fields: &[Option<String>]) -> String {
    let write = |field: &Option<String>| match field {
        None => String::new(),
        Some(text) => {
            let must = text.is_empty() || text.contains([',', '"', '\n', '\r']);
            if must || random.random_range(0..3) == 0 {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        }
    };
    fields.iter().map(write).collect::<Vec<_>>().join(",")
}

#[test]
fn what_is_written_is_read_again() {
    let mut decoder = of_strings(5, CsvOptions::default());
    for number in 0..2_000 {
        let mut random = StdRng::seed_from_u64(number);
        let letters = ['a', 'é', ',', '"', '\n', '\r', ' ', '\u{1f980}'];
        let mut text = || -> String {
            (0..random.random_range(0..6)).map(|_| letters[random.random_range(0..letters.len())]).collect()
        };
        let row: Vec<_> = (0..5).map(|at| (number >> at & 1 == 0).then(&mut text)).collect();
        let line = written(&mut random, &row) + ["", "\n", "\r\n"][number as usize % 3];
        decoder.push(line.as_bytes()).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let batch = finish(&mut decoder);
        let read: Vec<_> = fields(&batch, 0).into_iter().map(|field| field.map(str::to_owned)).collect();
        assert_eq!(read, row, "{line:?}");
    }
}

#[test]
fn arbitrary_bytes_make_a_row_or_an_error_of_the_record() {
    let table = schema([
        field("s", DataType::String, true),
        field("d", decimal_of(38, 9), true),
        field("b", DataType::Binary, true),
        field("t", DataType::Timestamp, true),
    ]);
    let mut decoder = CsvDecoder::new(&table, CsvOptions::default()).unwrap();
    let pieces: [&[u8]; 14] = [
        b",",
        b"\"",
        b"\"\"",
        b"\n",
        b"\r\n",
        b"a",
        b"1",
        b"-1.5e3",
        b"Zm9v",
        b"2024-01-01T00:00:00Z",
        b"\xff",
        b"\xc3\xa9",
        b" ",
        b",,,",
    ];
    let mut rows = 0;
    for number in 0..20_000 {
        let mut random = StdRng::seed_from_u64(number);
        let count = random.random_range(0..10);
        let record: Vec<u8> =
            (0..count).flat_map(|_| pieces[random.random_range(0..pieces.len())].to_vec()).collect();
        match decoder.push(&record) {
            Ok(()) => rows += 1,
            Err(error) => assert_eq!(error.code.class().name(), "RECORD", "{error}"),
        }
        assert_eq!(decoder.rows(), rows);
    }
    assert!(rows > 100, "{rows} rows");
    assert_eq!(finish(&mut decoder).num_rows(), rows);
}
