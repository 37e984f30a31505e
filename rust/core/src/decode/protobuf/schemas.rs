//! Schemas as texts and descriptors, and the tables they ask for.

use super::File;
use super::builtin::FILES;
use super::harness::{bytes, first, int, table_of};
use super::model::{Kind, Presence};
use crate::Code;
use crate::schema::Field;

fn refusal(text: &str) -> String {
    let error = File::from_source(text, &[]).unwrap_err();
    assert_eq!(error.code, Code::SchemaUnclear);
    error.message
}

fn columns(fields: &[Field]) -> String {
    let column = |field: &Field| {
        let required = if field.nullable { "" } else { "!" };
        format!("{}{required} {}", field.name, field.data_type)
    };
    fields.iter().map(column).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_file_that_is_brought_along_can_be_imported() {
    let imports: String = FILES.iter().map(|(name, _)| format!("import {name:?};\n")).collect();
    let text = format!("syntax = \"proto3\";\n{imports} message M {{ google.protobuf.Any any = 1; }}");
    let file = File::from_source(&text, &[]).unwrap();
    assert!(file.message(Some("confluent.type.Variant")).is_ok());
    assert!(file.message(Some(".google.type.PhoneNumber.ShortCode")).is_ok());
}

#[test]
fn types_have_the_columns_of_confluents_converter() {
    let text = r#"
        syntax = "proto3";
        import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
        import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto";
        import "google/protobuf/empty.proto"; import "google/protobuf/any.proto";
        import "google/type/date.proto"; import "google/type/timeofday.proto";
        import "confluent/type/decimal.proto"; import "confluent/meta.proto";
        message M {
          int32 i = 1; uint32 u = 2; sfixed64 f = 3; uint64 ul = 4; float fl = 5; bytes b = 6; E e = 7; bool bo = 8;
          oneof pick { string s = 9; N n = 10; google.protobuf.Empty nothing = 11; }
          repeated E es = 12; map<uint32, N> ns = 13; repeated N list = 14;
          google.protobuf.Timestamp ts = 15; google.protobuf.Duration d = 16; google.protobuf.Struct object = 17;
          google.protobuf.UInt32Value w = 18; google.protobuf.Any any = 19; google.type.Date day = 20;
          google.type.TimeOfDay time = 21; confluent.type.Decimal plain = 22;
          confluent.type.Decimal money = 23 [deprecated = false, (confluent.field_meta) = { params: [
            { value: "2", key: "scale" }, { key: "precision" value: "10" } ] }];
          int32 tiny = 24 [(confluent.field_meta).params = {key: "connect.type", value: "int16"}];
          Nothing no = 25; repeated Nothing nos = 26; oneof none { Nothing not = 27; }
          repeated google.protobuf.StringValue texts = 28; map<string, google.protobuf.Value> values = 29;
        }
        message N { int64 x = 1; }
        message Nothing {}
        enum E { A = 0; }
    "#;
    assert_eq!(
        columns(&table_of(&first(text)).fields),
        "pick_0 struct<s:string,n:struct<x:long>,nothing:boolean>, i integer, u long, f long, ul long, fl float, b binary, \
         e string, bo boolean, es array<string>, ns map<long,struct<x:long>>, list array<struct<x:long>>, ts timestamp, \
         d struct<seconds:long,nanos:integer>, object string, w long, any struct<type_url:string,value:binary>, day date, \
         time integer, plain decimal(38,0), money decimal(10,2), tiny short, texts array<string>, \
         values map<string,string>"
    );
}

#[test]
fn messages_are_found_by_name_and_by_index() {
    let file = File::from_source(
        r#"syntax = "proto2"; package a.b; import "other.proto";
           enum First { X = 1; }
           message One { optional group G = 1 {} map<string, string> m = 2; message In { message Deep {} } }
           message Two { message In {} message In2 { optional other.Thing t = 1; } }"#,
        &[("other.proto", r#"syntax = "proto3"; package other; message Thing { string s = 1; }"#)],
    )
    .unwrap();
    let at = |indexes: &[i32]| file.message_at(indexes).map(|message| message.full_name().to_owned());
    assert_eq!(at(&[]).as_deref(), Some("a.b.One"));
    assert_eq!(at(&[0]).as_deref(), Some("a.b.One"));
    assert_eq!(at(&[1]).as_deref(), Some("a.b.Two"));
    assert_eq!(at(&[1, 1]).as_deref(), Some("a.b.Two.In2"));
    assert_eq!(at(&[0, 0, 0]).as_deref(), Some("a.b.One.In.Deep"), "groups and map entries do not count");
    assert_eq!([at(&[2]), at(&[-1]), at(&[0, 1]), at(&[1, 0, 0])], [None, None, None, None]);
    assert_eq!(file.message(None).unwrap().full_name(), "a.b.One");
    assert_eq!(file.message(Some("other.Thing")).unwrap().full_name(), "other.Thing");
    let error = file.message(Some("Two")).unwrap_err();
    assert_eq!(error.code, Code::SchemaUnclear);
    assert!(error.message.contains("no message Two; it has a.b.One, a.b.Two"), "{}", error.message);
    let none = File::from_source("syntax = 'proto3'; enum E { A = 0; }", &[]).unwrap();
    assert!(none.message(None).unwrap_err().message.contains("has no message"));
}

#[test]
fn names_are_looked_for_from_the_inside_out() {
    let file = File::from_source(
        r#"syntax = "proto3"; package a.b;
           message T { int32 outer = 1; }
           message M { T one = 1; b.T two = 2; .a.b.T three = 3; Sub.T four = 4; Sub sub = 5;
             message Sub { T five = 1; message T { int32 inner = 1; } }
             enum T2 { Z = 0; } T2 six = 6; }"#,
        &[],
    )
    .unwrap();
    let message = file.message(Some("a.b.M")).unwrap();
    assert_eq!(
        columns(&table_of(&message).fields),
        "one struct<outer:integer>, two struct<outer:integer>, three struct<outer:integer>, four struct<inner:integer>, \
         sub struct<five:struct<inner:integer>>, six string"
    );
}

/// What the language allows and few write.
#[test]
fn odd_texts_are_read() {
    let file = File::from_source(
        "\u{feff}/* a comment */ syntax = \"pro\\x74o\\062\"; // another\n\
         package message.option;;\n\
         option java_package = 'a\\'b' \"c\"; option (my.opt).sub.(other.opt) = -inf;\n\
         option (x) = { a: 1; b < c: [1, 2] >, [q.r/s.t] { } d: 'x' 'y' };\n\
         import weak 'nowhere.proto';\n\
         message message { optional int32 optional = 0x1 [default = -0x7F, packed = false, (f) = { a: \"]\" }];\n\
           required string message = 010; repeated .message.option.message enum = 11 [json_name = \"};\"];\n\
           reserved 2, 9 to 10, 1000 to max; reserved 'foo', \"bar\";\n\
           extensions 100 to 199 [declaration = { number: 100, full_name: \".x;\" }, verification = DECLARATION];\n\
           extend message { optional int32 ext = 100; repeated group Ext = 101 { optional int32 y = 1; } }\n\
           oneof oneof { option (o) = true; int32 a = 3; group Grp = 4 { optional int32 x = 1; } }\n\
           option message_set_wire_format = false; map<int32, bytes> map = 5 [deprecated = true]; ; }\n\
         enum enum { option = 1; reserved = -2; max = 2147483647 [(e) = 1.5e+3]; option allow_alias = true; reserved 7; }\n\
         service service { rpc Do (stream message) returns (message) { option (a) = {b: \"}\"}; } option (s) = 1; }\n\
         extend google.protobuf.FieldOptions { optional string f = 50000; }",
        &[],
    )
    .unwrap();
    let message = file.message(None).unwrap();
    assert_eq!(message.full_name(), "message.option.message");
    let names: Vec<_> = message
        .definition()
        .fields
        .iter()
        .map(|field| (&*field.name, field.number, field.presence))
        .collect();
    use Presence::{Explicit, Required};
    assert_eq!(
        names,
        [
            ("optional", 1, Explicit),
            ("message", 8, Required),
            ("enum", 11, Explicit),
            ("a", 3, Explicit),
            ("grp", 4, Explicit),
            ("map", 5, Explicit)
        ]
    );
    assert!(matches!(message.definition().fields[4].kind, Kind::Message { delimited: true, .. }));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let deep = format!("{}{}", "message M { ".repeat(100), "}".repeat(100));
    let nested = format!("option (a) = {}1{};", "{ b: ".repeat(100_000), "}".repeat(100_000));
    for (text, says) in [
        ("syntax = \"proto4\";", "line 1: found the syntax \"proto4\""),
        ("edition = \"2025\";", "line 1: found the edition \"2025\""),
        ("\n\nmessage M { int32 x = ; }", "line 3: found ';', where a number was expected"),
        ("message M { int32 x 1; }", "found 1, where '=' was expected"),
        ("message M {", "found the end"),
        ("message M { int32 x = 1", "found the end"),
        ("message M { int32 x = 99999999999; }", "99999999999"),
        ("message M { int32 x = 0; }", "field M.x: its number 0"),
        ("message M { int32 x = 536870912; }", "field M.x: its number 536870912"),
        ("message M { int32 x = 1; int32 y = 1; }", "field M.y: its number 1"),
        ("message M {} message M {}", "M is defined twice"),
        ("message M { Missing x = 1; }", "field M.x: there is no message or enum Missing"),
        ("import \"a.proto\"; message M { a.A x = 1; }", "Imports that were not given: a.proto"),
        ("service S {", "found the end"),
        ("option x = 'a\nb';", "a string without its end"),
        ("/* never", "a comment without its end"),
        ("what", "\"what\", which begins nothing"),
        (&deep, "messages nested too deep"),
        (&nested, "an option nested too deep"),
    ] {
        let message = refusal(text);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn messages_in_messages_do_not_multiply_without_end() {
    let doubled: String =
        (0..40).map(|level| format!("message M{level} {{ M{0} a = 1; M{0} b = 2; }}\n", level + 1)).collect();
    let message = first(&format!("syntax = \"proto3\"; {doubled} message M40 {{ int32 x = 1; }}"));
    let error = message.connect().unwrap_err();
    assert_eq!(error.code, Code::SchemaUnclear);
    assert!(error.message.contains("more than 100000 fields"), "{}", error.message);
    let chain: String =
        (0..80).map(|level| format!("message M{level} {{ M{} a = 1; }}\n", level + 1)).collect();
    let message = first(&format!("syntax = \"proto3\"; {chain} message M80 {{ int32 x = 1; }}"));
    assert!(message.connect().unwrap_err().message.contains("nested deeper than 64 levels"));
}

#[test]
fn descriptor_sets_that_are_none_are_refused() {
    let file = |inside: &[Vec<u8>]| bytes(1, &inside.concat());
    let message = |inside: &[Vec<u8>]| bytes(4, &[bytes(1, b"M"), inside.concat()].concat());
    let field = |inside: &[Vec<u8>]| bytes(2, &[bytes(1, b"f"), int(3, 1), inside.concat()].concat());
    let deep = (0..100_000).fold(vec![], |inside: Vec<u8>, _| bytes(3, &inside));
    for (set, says) in [
        (vec![], "without a file"),
        (vec![8], "not a descriptor set"),
        (file(&[bytes(1, &[0xff])]), "a name that is not UTF-8"),
        (file(&[bytes(12, b"editions"), int(14, 1003)]), "edition 1003"),
        (file(&[bytes(12, b"editions")]), "edition 0"),
        (file(&[message(&[field(&[int(5, 19)])])]), "field f: type 19"),
        (file(&[message(&[field(&[int(5, 11), bytes(6, b".x.Y")])])]), "no message or enum .x.Y"),
        (file(&[bytes(4, &deep)]), "nested deeper than 64"),
    ] {
        let error = File::from_descriptor_set(&set).unwrap_err();
        assert_eq!(error.code, Code::SchemaUnclear);
        assert!(error.message.contains(says), "{}", error.message);
    }
    let good = file(&[bytes(1, b"a.proto"), message(&[field(&[int(5, 5)])])]);
    // The same file twice, as in sets that were put together.
    let twice = File::from_descriptor_set(&good.repeat(2)).unwrap();
    assert_eq!(columns(&table_of(&twice.message(None).unwrap()).fields), "f integer");
}
