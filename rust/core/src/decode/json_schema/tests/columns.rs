//! What columns a schema asks for.

use super::*;

#[test]
fn scalars_are_what_the_converter_makes_of_them() {
    for (schema, expected) in [
        // testToConnectBoolean, testToConnectInt8 to testToConnectFloat64, testToConnectString, testToConnectBytes
        (r#"{"type":"boolean"}"#, "boolean"),
        (r#"{"type":"integer","connect.type":"int8"}"#, "int8"),
        (r#"{"type":"integer","connect.type":"int16"}"#, "int16"),
        (r#"{"type":"integer","connect.type":"int32"}"#, "int32"),
        (r#"{"type":"integer","connect.type":"int64"}"#, "int64"),
        (r#"{"type":"integer"}"#, "int64"),
        (r#"{"type":"number","connect.type":"float32"}"#, "float32"),
        (r#"{"type":"number","connect.type":"float64"}"#, "float64"),
        (r#"{"type":"number"}"#, "float64"),
        (r#"{"type":"string"}"#, "string"),
        (r#"{"type":"string","connect.type":"bytes"}"#, "bytes"),
        // testNumericFormats, testStringFormats
        (r#"{"type":"integer","format":"int32"}"#, "int64"),
        (r#"{"type":"number","format":"double"}"#, "float64"),
        (r#"{"type":"string","format":"uuid"}"#, "string"),
        (r#"{"type":"string","format":"date-time"}"#, "string"),
        (r#"{"type":"string","format":"date"}"#, "string"),
        // testOptionalNumericFormats, testOptionalStringFormats
        (r#"{"format":"int32","type":["null","number"]}"#, "float64?"),
        (r#"{"format":"double","type":["null","integer"]}"#, "int64?"),
        (r#"{"format":"uuid","type":["null","string"]}"#, "string?"),
        // testToConnectConst, testToConnectEnum, testToConnectEnumWithNull
        (r#"{"const":"one"}"#, "string"),
        (r#"{"enum":["one","two","three"]}"#, "string"),
        (r#"{"enum":["one",null]}"#, "string?"),
        // testToConnectEnumInAllOf, testToConnectIntEnumInAllOfIsValid
        (r#"{"type":"string","enum":["one","two"]}"#, "string"),
        (r#"{"type":"number","enum":[1,2]}"#, "float64"),
        (r#"{"type":"integer","enum":[1,2],"connect.type":"int16"}"#, "int16"),
        (r#"{"type":["string","null"],"enum":["a",null]}"#, "string?"),
        // testToConnectStringConstInAllOf, testToConnectIntegerConstInAllOf, testToConnectNumberConstInAllOf
        (r#"{"type":"string","const":"money"}"#, "string"),
        (r#"{"type":"integer","const":123}"#, "int64"),
        (r#"{"type":"number","const":123.45}"#, "float64"),
        // testToConnectReferenceInAllOf, testToConnectSingletonUnion
        (r#"{"allOf":[{"type":"integer","connect.type":"int64"}]}"#, "int64"),
        (r#"{"oneOf":[{"type":"string"}]}"#, "string"),
        // testToConnectNullableString
        (r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#, "string?"),
        (r#"{"anyOf":[{"type":"integer","connect.type":"int32"},{"type":"null"}]}"#, "int32?"),
        (
            r#"{"oneOf":[{"type":"null","title":"Not included"},{"type":"string"}],"description":"x"}"#,
            "string?",
        ),
        // Told by other keywords.
        (r#"{"minLength":1}"#, "string"),
        (r#"{"minimum":1}"#, "float64"),
        (r#"{"items":{"type":"string"}}"#, "[string]"),
        (r#"{"properties":{"x":{"type":"string"}}}"#, "{x:string?}"),
    ] {
        assert_eq!(show(&field(schema)), expected, "{schema}");
    }
}

#[test]
fn titles_are_the_names_of_logical_types() {
    let name = "org.apache.kafka.connect.data";
    for (schema, expected) in [
        // testToConnectBase64Decimal, testToConnectNumericDecimal
        (
            r#"{"type":"string","connect.type":"bytes","title":"NAME.Decimal","connect.version":1,"connect.parameters":{"scale":"2"}}"#,
            "bytes(NAME.Decimal)",
        ),
        (
            r#"{"type":"number","connect.type":"bytes","title":"NAME.Decimal","connect.parameters":{"scale":"2"}}"#,
            "bytes(NAME.Decimal)",
        ),
        (r#"{"type":"integer","connect.type":"int32","title":"NAME.Date"}"#, "int32(NAME.Date)"),
        (r#"{"type":"integer","connect.type":"int32","title":"NAME.Time"}"#, "int32(NAME.Time)"),
        (r#"{"type":"integer","connect.type":"int64","title":"NAME.Timestamp"}"#, "int64(NAME.Timestamp)"),
        (
            r#"{"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64","title":"NAME.Timestamp"}]}"#,
            "int64?(NAME.Timestamp)",
        ),
    ] {
        let made = field(&schema.replace("NAME", name));
        assert_eq!(show(&made).replace(name, "NAME"), expected, "{schema}");
        if expected.starts_with("bytes") {
            assert_eq!(made.parameters["scale"].as_ref(), "2");
        }
    }
    let made = field(
        r#"{"type":"string","description":"of the field","connect.version":3,"connect.parameters":{"a":"b","n":1}}"#,
    );
    assert_eq!((made.doc.as_deref(), made.version), (Some("of the field"), Some(3)));
    assert_eq!((made.parameters["a"].as_ref(), made.parameters["n"].as_ref()), ("b", "1"));
    let made = field(r#"{"enum":["one",null]}"#);
    let parameters: Vec<_> = made.parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
    let name = "io.confluent.connect.json.Enum";
    assert_eq!(parameters[0], (name, ""));
    assert_eq!(parameters[1], (&*format!("{name}.<NULL>"), "<NULL>"));
    assert_eq!(parameters[2], (&*format!("{name}.one"), "one"));
}

#[test]
fn descriptions_stay_where_the_schema_leads_on() {
    for schema in [
        r##"{"description":"d","type":["string","null"]}"##,
        r##"{"description":"d","oneOf":[{"type":"null"},{"type":"string","description":"inner"}]}"##,
        r##"{"oneOf":[{"type":"null"},{"type":"string","description":"d"}]}"##,
        r##"{"description":"d","allOf":[{"type":"string"}]}"##,
    ] {
        assert_eq!(field(schema).doc.as_deref(), Some("d"), "{schema}");
    }
}

#[test]
fn arrays_maps_and_structs() {
    for (schema, expected) in [
        // testToConnectArray, testToConnectMapStringKeys, testToConnectMapNonStringKeys, testToConnectRecord
        (r#"{"type":"array","items":{"type":"integer","connect.type":"int8"}}"#, "[int8]"),
        (
            r#"{"type":"object","connect.type":"map","additionalProperties":{"type":"integer","connect.type":"int8"}}"#,
            "<string,int8>",
        ),
        (
            r#"{"type":"array","connect.type":"map","items":{"type":"object","properties":{
                "key":{"type":"integer","connect.type":"int8"},"value":{"type":"integer","connect.type":"int16"}}}}"#,
            "<int8,int16>",
        ),
        (
            r#"{"type":"object","title":"Record","properties":{
                "string":{"type":"string","connect.index":1},
                "int8":{"type":"integer","connect.type":"int8","connect.index":0}},"required":["string","int8"]}"#,
            "{int8:int8 string:string}(Record)",
        ),
        // testToNamedConnectMap
        (
            r#"{"type":"array","connect.type":"map","title":"foo.bar","items":{"type":"object","properties":{
                "key":{"oneOf":[{"type":"null"},{"type":"string"}]},"value":{"oneOf":[{"type":"null"},{"type":"integer"}]}}}}"#,
            "<string?,int64?>(foo.bar)",
        ),
        // Without connect.type.
        (r#"{"type":"object","additionalProperties":{"type":"number"}}"#, "<string,float64>"),
        (r#"{"type":"object","additionalProperties":{"type":"number"},"properties":{}}"#, "<string,float64>"),
        (
            r#"{"type":"object","properties":{"x":{"type":"string"}},"additionalProperties":{"type":"number"}}"#,
            "{x:string?}",
        ),
        (
            r#"{"type":["array","null"],"items":{"type":["object","null"],"properties":{"x":{"type":"string"}}}}"#,
            "[{x:string?}?]?",
        ),
    ] {
        assert_eq!(show(&field(schema)), expected, "{schema}");
    }
}

#[test]
fn fields_are_in_the_order_of_their_index_then_of_their_names() {
    let text = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"},
        "m":{"type":"string","connect.index":1},"n":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string"}]}}}"#;
    assert_eq!(show(&parse(text).connect().unwrap()), "{n:string? m:string? a:string? z:string?}");
}

#[test]
fn what_is_not_required_is_optional() {
    // testToConnectRecordWithOptionalAndRequired, which is use.optional.for.nonrequired=true.
    let text = r#"{"type":"object","required":["int8"],"properties":{
        "int8":{"type":"integer","connect.type":"int8"},"string":{"type":"string"},
        "maybe":{"type":["string","null"]}}}"#;
    assert_eq!(show(&parse(text).connect().unwrap()), "{int8:int8 maybe:string? string:string?}");
    let fields = table(&parse(text)).fields;
    assert_eq!(fields.iter().map(|field| field.nullable).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn alternatives_are_a_struct_with_a_field_for_each() {
    for (schema, expected) in [
        // testToConnectUnion, testToConnectUnionFromAnyOf, testToConnectUnionSecondField
        (
            r#"{"oneOf":[{"type":"integer","connect.type":"int8"},{"type":"integer","connect.type":"int16"}]}"#,
            "{OneOf.field.0:int8? OneOf.field.1:int16?}(OneOf)",
        ),
        (
            r#"{"anyOf":[{"type":"string"},{"type":"integer","connect.type":"int32"}],"title":"lost"}"#,
            "{OneOf.field.0:string? OneOf.field.1:int32?}(OneOf)",
        ),
        // testOptionalObjectOrArray
        (
            r#"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}},{"type":"null"}]}"#,
            "{OneOf.field.0:string? OneOf.field.1:[string]?}?(OneOf)",
        ),
        (r#"{"type":["string","integer","null"]}"#, "{OneOf.field.0:string? OneOf.field.1:int64?}?(OneOf)"),
        // testToConnectUnionEnumInAllOfIsValid, testCombinedSchemaTitleAndObject
        (
            r#"{"oneOf":[{"type":"integer","connect.type":"int8"},{"type":"string"}],"enum":[1,2,"x"]}"#,
            "{OneOf.field.0:int8? OneOf.field.1:string?}(OneOf)",
        ),
        (
            r#"{"type":"object","anyOf":[{"type":"object","properties":{"k":{"type":"string"}}},
                {"type":"object","properties":{"i":{"type":"string"}}}]}"#,
            "{OneOf.field.0:{k:string?}? OneOf.field.1:{i:string?}?}(OneOf)",
        ),
        // Where an object has fields of its own, alternatives only say more of them.
        (
            r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},
                "oneOf":[{"required":["a"]},{"required":["b"]}]}"#,
            "{a:string? b:string?}",
        ),
    ] {
        assert_eq!(show(&field(schema)), expected, "{schema}");
    }
}

#[test]
fn all_of_is_one_struct_with_the_fields_of_all() {
    // testCombinedSchemaAllOfRef
    let text = r##"{"$schema":"http://json-schema.org/draft-07/schema#",
        "allOf":[{"$ref":"#/definitions/MessageBase"},{"$ref":"#/definitions/MessageBase2"}],
        "title":"IdentifyUserMessage","description":"An IdentifyUser message","type":"object",
        "properties":{"prevUserId":{"type":"string"},"newUserId":{"type":"string"}},
        "definitions":{
            "MessageBase":{"properties":{"id":{"type":"string"},"type":{"type":"string"}},"required":["id"]},
            "MessageBase2":{"properties":{"id2":{"type":"string"}}}}}"##;
    let expected =
        "{id:string id2:string? newUserId:string? prevUserId:string? type:string?}(IdentifyUserMessage)";
    assert_eq!(show(&parse(text).connect().unwrap()), expected);
    let nested = r##"{"allOf":[{"allOf":[{"$ref":"#"},{"type":"object","properties":{"a":{"type":"string"}}}]},
        {"type":"object","properties":{"b":{"type":"string"}},"required":["a"]}]}"##;
    assert_eq!(show(&parse(nested).connect().unwrap()), "{a:string b:string?}");
}

#[test]
fn references_lead_by_name_id_anchor_and_place() {
    // testToConnectRecordWithOptionalReference
    let text = r##"{"$schema":"http://json-schema.org/draft-04/schema#","title":"Event","type":"object",
        "properties":{"vehicle":{"$ref":"#/definitions/VehicleDto"}},
        "definitions":{
            "PriceDto":{"type":"object","required":["amount"],"properties":{"amount":{"type":"number","format":"decimal"}}},
            "VehicleDto":{"type":"object","required":["offerPrice","firstRegistrationDate"],"properties":{
                "offerPrice":{"connect.index":1,"$ref":"#/definitions/PriceDto"},
                "catalogPrice":{"connect.index":2,"oneOf":[{"type":"null"},{"$ref":"#/definitions/PriceDto"}]},
                "firstRegistrationDate":{"connect.index":3,"type":"string","format":"date-time"}}}}}"##;
    let expected = "{vehicle:{offerPrice:{amount:float64} catalogPrice:{amount:float64}? firstRegistrationDate:string}?}(Event)";
    assert_eq!(show(&parse(text).connect().unwrap()), expected);

    // testAnyOfWithArray, testUseModernDialects
    let text = r##"{"$defs":{"review":{"properties":{"created_on":{"type":["string","null"]}},"required":[],"type":"object"}},
        "$schema":"https://json-schema.org/draft/2020-12/schema",
        "properties":{"reviews":{"items":{"$ref":"#/$defs/review"},"required":[],"type":["array","null"]}}}"##;
    assert_eq!(show(&parse(text).connect().unwrap()), "{reviews:[{created_on:string?}]?}");

    let references = [
        (
            "address.json",
            r#"{"type":"object","properties":{"city":{"type":"string"},"geo":{"$ref":"geo.json#/definitions/point"}}}"#,
        ),
        (
            "geo.json",
            r##"{"definitions":{"point":{"type":"array","items":{"$ref":"#/definitions/axis"}},"axis":{"type":"number"}}}"##,
        ),
        (
            "http://h.example/person",
            r#"{"$id":"http://h.example/schemas/person.json","type":"object","properties":{"name":{"type":"string"}}}"#,
        ),
    ];
    let text = r##"{"$id":"http://h.example/schemas/root.json","type":"object","properties":{
        "a":{"$ref":"address.json"},
        "b":{"$ref":"http://h.example/person"},
        "c":{"$ref":"person.json"},
        "d":{"$ref":"#here"},
        "e":{"$ref":"#/$defs/with%20space~1and~0tilde"},
        "f":{"$ref":"inner.json#/$defs/deep"},
        "g":{"$ref":"#old"}},
        "$defs":{"x":{"$anchor":"here","type":"boolean"},"with space/and~tilde":{"type":"integer"},
            "own":{"$id":"inner.json","$defs":{"deep":{"$ref":"#/$defs/deeper"},"deeper":{"type":"string"}}},
            "old":{"$id":"#old","type":"number"}}}"##;
    let schema = Schema::parse(text, &references).unwrap();
    let expected = "{a:{city:string? geo:[float64]?}? b:{name:string?}? c:{name:string?}? d:boolean? e:int64? f:string? g:float64?}";
    assert_eq!(show(&schema.connect().unwrap()), expected);

    // Names that look like keywords are none.
    let text = r##"{"type":"object","properties":{"id":{"type":"string"},"$ref":{"type":"string"},"enum":{"$ref":"#/definitions/e"},
        "default":{"const":{"$id":"http://h.example/not-a-schema"}}},"definitions":{"e":{"type":"boolean"}}}"##;
    assert_eq!(
        show(&parse(text).connect().unwrap()),
        "{$ref:string? default:string? enum:boolean? id:string?}"
    );
}

#[test]
fn a_reference_that_leads_nowhere_is_named_when_its_column_is_wanted() {
    let text = r##"{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"$ref":"missing.json"}}}}}"##;
    let schema = parse(text);
    let error = schema.connect().unwrap_err();
    assert_eq!(error.code, SchemaUnclear);
    assert_eq!(
        error.message,
        "field a.b: $ref \"missing.json\" leads to nothing in the schema and in none of its references"
    );
    let circle = r##"{"type":"object","properties":{"a":{"$ref":"#/definitions/x"}},
        "definitions":{"x":{"$ref":"#/definitions/y"},"y":{"$ref":"#/definitions/x"}}}"##;
    let error = parse(circle).connect().unwrap_err();
    assert_eq!(error.message, "field a: its $ref leads to itself");
}

#[test]
fn a_schema_that_holds_itself_is_refused_with_its_place() {
    for (text, path) in [
        // getRecursiveJsonSchema
        (
            r##"{"type":"object","title":"Task","id":"#id1","properties":{"parent":{"$ref":"#id1"},"title":{"type":"string"}}}"##,
            "parent",
        ),
        (r##"{"type":"object","properties":{"a":{"type":"array","items":{"$ref":"#"}}}}"##, "a.element"),
        (
            r##"{"type":"object","properties":{"m":{"additionalProperties":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}}"##,
            "m.value",
        ),
    ] {
        let error = parse(text).connect().unwrap_err();
        assert_eq!(error.code, SchemaUnclear);
        assert!(
            error.message.starts_with(&format!("field {path}: the schema holds itself there")),
            "{error}"
        );
    }
}

#[test]
fn what_has_no_type_is_a_string_with_its_json() {
    for schema in [
        "{}",
        "true",
        "false",
        r#"{"description":"anything"}"#,
        r#"{"type":"null"}"#,
        r#"{"not":{"type":"string"}}"#,
    ] {
        assert_eq!(show(&field(schema)), "string?", "{schema}");
    }
    for schema in [
        r#"{"type":"object"}"#,
        r#"{"type":"object","additionalProperties":true}"#,
        r#"{"type":"object","patternProperties":{"^x":{"type":"string"}}}"#,
        r#"{"type":"array"}"#,
        r#"{"type":"array","items":[{"type":"string"},{"type":"integer"}]}"#,
        r#"{"type":"array","prefixItems":[{"type":"string"}],"items":false}"#,
        r#"{"enum":[1,"a"]}"#,
        r#"{"const":{"a":1}}"#,
    ] {
        assert_eq!(show(&field(schema)), "string", "{schema}");
    }
    assert_eq!(show(&field(r#"{"type":"array","items":{}}"#)), "[string?]");
    assert_eq!(show(&field(r#"{"type":"object","connect.type":"map"}"#)), "<string,string?>");
}

#[test]
fn what_no_schema_says_is_refused() {
    for (schema, expected) in [
        (r#"{"type":"date"}"#, "there is no type \"date\""),
        (r#"{"type":"integer","connect.type":"int128"}"#, "a number has no connect.type \"int128\""),
        ("3", "a schema is an object, and this is 3"),
    ] {
        let text = format!(r#"{{"type":"object","properties":{{"v":{schema}}}}}"#);
        assert_eq!(parse(&text).connect().unwrap_err().message, format!("field v: {expected}"));
    }
}
