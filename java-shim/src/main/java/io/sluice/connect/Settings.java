// Generated from rust/core/src/settings/ by `cargo xtask generate`; do not edit.
package io.sluice.connect;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.LambdaValidator;
import org.apache.kafka.common.config.ConfigDef.Range;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigDef.ValidString;
import org.apache.kafka.common.config.ConfigDef.Validator;
import org.apache.kafka.common.config.ConfigDef.Width;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigValue;

/**
 * The connector's settings as Connect shows and checks them, without the native library. A task's native side reads the
 * same map, and checks it by more rules.
 */
public final class Settings {
  /** Settings with this prefix are the connector's; all others are Connect's. */
  public static final String PREFIX = "delta.";

  /** Settings with this prefix are those of one table: its name, then a name of {@link #OF_A_TABLE} without its prefix. */
  public static final String TABLES_PREFIX = "delta.tables.";

  public static final String TABLE_URI = "delta.table.uri";
  public static final String TABLE_AUTO_CREATE = "delta.table.auto.create";
  public static final String TABLE_PROPERTIES = "delta.table.properties";
  public static final String PARTITION_BY = "delta.partition.by";
  public static final String TOPIC2TABLE_MAP = "delta.topic2table.map";
  public static final String ROUTE_BY = "delta.route.by";
  public static final String ROUTE_MAP = "delta.route.map";
  public static final String ROUTE_UNMATCHED = "delta.route.unmatched";
  public static final String SCHEMA_JSON = "delta.schema.json";
  public static final String SCHEMA_FILE = "delta.schema.file";
  public static final String SCHEMA_EVOLUTION = "delta.schema.evolution";
  public static final String SCHEMA_UNKNOWN_FIELDS = "delta.schema.unknown.fields";
  public static final String INPUT_MODE = "delta.input.mode";
  public static final String BEHAVIOR_ON_NULL_VALUES = "behavior.on.null.values";
  public static final String RAW_FORMAT = "delta.raw.format";
  public static final String RAW_FRAMING = "delta.raw.framing";
  public static final String RAW_SCHEMA = "delta.raw.schema";
  public static final String RAW_SCHEMA_FILE = "delta.raw.schema.file";
  public static final String RAW_MESSAGE = "delta.raw.message";
  public static final String RAW_VALUE_COMPRESSION = "delta.raw.value.compression";
  public static final String RAW_CSV_COLUMNS = "delta.raw.csv.columns";
  public static final String RAW_CSV_DELIMITER = "delta.raw.csv.delimiter";
  public static final String RAW_CSV_QUOTE = "delta.raw.csv.quote";
  public static final String RAW_CSV_NULL = "delta.raw.csv.null";
  public static final String RAW_VALUE_COLUMN = "delta.raw.value.column";
  public static final String RAW_JSON_STRINGS = "delta.raw.json.strings";
  public static final String REGISTRY_URL = "delta.registry.url";
  public static final String REGISTRY_API = "delta.registry.api";
  public static final String REGISTRY_USERNAME = "delta.registry.username";
  public static final String REGISTRY_PASSWORD = "delta.registry.password";
  public static final String REGISTRY_BEARER_TOKEN = "delta.registry.bearer.token";
  public static final String REGISTRY_OAUTH_TOKEN_URL = "delta.registry.oauth.token.url";
  public static final String REGISTRY_OAUTH_CLIENT_ID = "delta.registry.oauth.client.id";
  public static final String REGISTRY_OAUTH_CLIENT_SECRET = "delta.registry.oauth.client.secret";
  public static final String REGISTRY_OAUTH_SCOPE = "delta.registry.oauth.scope";
  public static final String REGISTRY_CA_FILE = "delta.registry.ca.file";
  public static final String REGISTRY_TLS_CERT_FILE = "delta.registry.tls.cert.file";
  public static final String REGISTRY_TLS_KEY_FILE = "delta.registry.tls.key.file";
  public static final String REGISTRY_REQUEST_TIMEOUT_MS = "delta.registry.request.timeout.ms";
  public static final String METADATA_COLUMNS = "delta.metadata.columns";
  public static final String METADATA_PREFIX = "delta.metadata.prefix";
  public static final String METADATA_STRUCT = "delta.metadata.struct";
  public static final String KEY_MODE = "delta.key.mode";
  public static final String KEY_PREFIX = "delta.key.prefix";
  public static final String DERIVED_COLUMNS = "delta.derived.columns";
  public static final String OFFSETS_FROM_CONNECTOR = "delta.offsets.from.connector";
  public static final String OFFSETS_OTHER_CONNECTORS = "delta.offsets.other.connectors";
  public static final String KAFKA_DELTA_INGEST_APP_ID = "delta.kafka-delta-ingest.app.id";
  public static final String COMMIT_INTERVAL_MS = "delta.commit.interval.ms";
  public static final String COMMIT_MAX_BYTES = "delta.commit.max.bytes";
  public static final String COMMIT_MAX_RECORDS = "delta.commit.max.records";
  public static final String TARGET_FILE_BYTES = "delta.target.file.bytes";
  public static final String PARQUET_COMPRESSION = "delta.parquet.compression";
  public static final String MEMORY_BUDGET_BYTES = "delta.memory.budget.bytes";
  public static final String COMMIT_LOCK = "delta.commit.lock";
  public static final String STORE_PROXY_URL = "delta.store.proxy.url";
  public static final String STORE_CA_FILE = "delta.store.ca.file";
  public static final String STORE_CONNECT_TIMEOUT_MS = "delta.store.connect.timeout.ms";
  public static final String STORE_REQUEST_TIMEOUT_MS = "delta.store.request.timeout.ms";
  public static final String STORE_RETRY_TIMEOUT_MS = "delta.store.retry.timeout.ms";
  public static final String STORE_UPLOAD_PART_BYTES = "delta.store.upload.part.bytes";
  public static final String S3_REGION = "delta.s3.region";
  public static final String S3_ENDPOINT = "delta.s3.endpoint";
  public static final String S3_PATH_STYLE_ACCESS = "delta.s3.path.style.access";
  public static final String S3_ACCESS_KEY_ID = "delta.s3.access.key.id";
  public static final String S3_SECRET_ACCESS_KEY = "delta.s3.secret.access.key";
  public static final String S3_SESSION_TOKEN = "delta.s3.session.token";
  public static final String S3_PROFILE = "delta.s3.profile";
  public static final String S3_ROLE_ARN = "delta.s3.role.arn";
  public static final String S3_ROLE_SESSION_NAME = "delta.s3.role.session.name";
  public static final String S3_ROLE_EXTERNAL_ID = "delta.s3.role.external.id";
  public static final String S3_WEB_IDENTITY_TOKEN_FILE = "delta.s3.web.identity.token.file";
  public static final String S3_SSE = "delta.s3.sse";
  public static final String S3_SSE_KMS_KEY_ID = "delta.s3.sse.kms.key.id";
  public static final String S3_SSE_BUCKET_KEY = "delta.s3.sse.bucket.key";
  public static final String DYNAMODB_TABLE = "delta.dynamodb.table";
  public static final String DYNAMODB_REGION = "delta.dynamodb.region";
  public static final String DYNAMODB_ENDPOINT = "delta.dynamodb.endpoint";
  public static final String DYNAMODB_ACCESS_KEY_ID = "delta.dynamodb.access.key.id";
  public static final String DYNAMODB_SECRET_ACCESS_KEY = "delta.dynamodb.secret.access.key";
  public static final String DYNAMODB_SESSION_TOKEN = "delta.dynamodb.session.token";
  public static final String DYNAMODB_PATH_SCHEME = "delta.dynamodb.path.scheme";
  public static final String DYNAMODB_TABLE_AUTO_CREATE = "delta.dynamodb.table.auto.create";
  public static final String DYNAMODB_BILLING_MODE = "delta.dynamodb.billing.mode";
  public static final String DYNAMODB_TTL_MS = "delta.dynamodb.ttl.ms";
  public static final String AZURE_ACCOUNT_NAME = "delta.azure.account.name";
  public static final String AZURE_ACCOUNT_KEY = "delta.azure.account.key";
  public static final String AZURE_SAS_TOKEN = "delta.azure.sas.token";
  public static final String AZURE_TENANT_ID = "delta.azure.tenant.id";
  public static final String AZURE_CLIENT_ID = "delta.azure.client.id";
  public static final String AZURE_CLIENT_SECRET = "delta.azure.client.secret";
  public static final String AZURE_FEDERATED_TOKEN_FILE = "delta.azure.federated.token.file";
  public static final String AZURE_ENDPOINT = "delta.azure.endpoint";
  public static final String GCS_SERVICE_ACCOUNT_FILE = "delta.gcs.service.account.file";
  public static final String GCS_SERVICE_ACCOUNT_KEY = "delta.gcs.service.account.key";
  public static final String GCS_ENDPOINT = "delta.gcs.endpoint";
  public static final String MAINTENANCE_ENABLED = "delta.maintenance.enabled";
  public static final String MAINTENANCE_LOG_COMPACTION_COMMITS = "delta.maintenance.log.compaction.commits";
  public static final String COMPACTION_ENABLED = "delta.compaction.enabled";
  public static final String COMPACTION_TARGET_FILE_BYTES = "delta.compaction.target.file.bytes";
  public static final String COMPACTION_MIN_FILES = "delta.compaction.min.files";
  public static final String COMPACTION_SCOPE = "delta.compaction.scope";
  public static final String COMPACTION_COLD_MS = "delta.compaction.cold.ms";
  public static final String COMPACTION_INTERVAL_MS = "delta.compaction.interval.ms";
  public static final String COMPACTION_MEMORY_BYTES = "delta.compaction.memory.bytes";
  public static final String COMPACTION_MAX_BYTES_PER_SECOND = "delta.compaction.max.bytes.per.second";
  public static final String COMPACTION_ORDER_BY = "delta.compaction.order.by";
  public static final String COMPACTION_Z_ORDER_BY = "delta.compaction.z.order.by";
  public static final String VACUUM_MODE = "delta.vacuum.mode";
  public static final String VACUUM_INTERVAL_MS = "delta.vacuum.interval.ms";
  public static final String VALIDATE_CONNECTIVITY = "delta.validate.connectivity";

  /** In the order of the documentation. */
  public static final List<String> NAMES = List.of(
      TABLE_URI,
      TABLE_AUTO_CREATE,
      TABLE_PROPERTIES,
      PARTITION_BY,
      TOPIC2TABLE_MAP,
      ROUTE_BY,
      ROUTE_MAP,
      ROUTE_UNMATCHED,
      SCHEMA_JSON,
      SCHEMA_FILE,
      SCHEMA_EVOLUTION,
      SCHEMA_UNKNOWN_FIELDS,
      INPUT_MODE,
      BEHAVIOR_ON_NULL_VALUES,
      RAW_FORMAT,
      RAW_FRAMING,
      RAW_SCHEMA,
      RAW_SCHEMA_FILE,
      RAW_MESSAGE,
      RAW_VALUE_COMPRESSION,
      RAW_CSV_COLUMNS,
      RAW_CSV_DELIMITER,
      RAW_CSV_QUOTE,
      RAW_CSV_NULL,
      RAW_VALUE_COLUMN,
      RAW_JSON_STRINGS,
      REGISTRY_URL,
      REGISTRY_API,
      REGISTRY_USERNAME,
      REGISTRY_PASSWORD,
      REGISTRY_BEARER_TOKEN,
      REGISTRY_OAUTH_TOKEN_URL,
      REGISTRY_OAUTH_CLIENT_ID,
      REGISTRY_OAUTH_CLIENT_SECRET,
      REGISTRY_OAUTH_SCOPE,
      REGISTRY_CA_FILE,
      REGISTRY_TLS_CERT_FILE,
      REGISTRY_TLS_KEY_FILE,
      REGISTRY_REQUEST_TIMEOUT_MS,
      METADATA_COLUMNS,
      METADATA_PREFIX,
      METADATA_STRUCT,
      KEY_MODE,
      KEY_PREFIX,
      DERIVED_COLUMNS,
      OFFSETS_FROM_CONNECTOR,
      OFFSETS_OTHER_CONNECTORS,
      KAFKA_DELTA_INGEST_APP_ID,
      COMMIT_INTERVAL_MS,
      COMMIT_MAX_BYTES,
      COMMIT_MAX_RECORDS,
      TARGET_FILE_BYTES,
      PARQUET_COMPRESSION,
      MEMORY_BUDGET_BYTES,
      COMMIT_LOCK,
      STORE_PROXY_URL,
      STORE_CA_FILE,
      STORE_CONNECT_TIMEOUT_MS,
      STORE_REQUEST_TIMEOUT_MS,
      STORE_RETRY_TIMEOUT_MS,
      STORE_UPLOAD_PART_BYTES,
      S3_REGION,
      S3_ENDPOINT,
      S3_PATH_STYLE_ACCESS,
      S3_ACCESS_KEY_ID,
      S3_SECRET_ACCESS_KEY,
      S3_SESSION_TOKEN,
      S3_PROFILE,
      S3_ROLE_ARN,
      S3_ROLE_SESSION_NAME,
      S3_ROLE_EXTERNAL_ID,
      S3_WEB_IDENTITY_TOKEN_FILE,
      S3_SSE,
      S3_SSE_KMS_KEY_ID,
      S3_SSE_BUCKET_KEY,
      DYNAMODB_TABLE,
      DYNAMODB_REGION,
      DYNAMODB_ENDPOINT,
      DYNAMODB_ACCESS_KEY_ID,
      DYNAMODB_SECRET_ACCESS_KEY,
      DYNAMODB_SESSION_TOKEN,
      DYNAMODB_PATH_SCHEME,
      DYNAMODB_TABLE_AUTO_CREATE,
      DYNAMODB_BILLING_MODE,
      DYNAMODB_TTL_MS,
      AZURE_ACCOUNT_NAME,
      AZURE_ACCOUNT_KEY,
      AZURE_SAS_TOKEN,
      AZURE_TENANT_ID,
      AZURE_CLIENT_ID,
      AZURE_CLIENT_SECRET,
      AZURE_FEDERATED_TOKEN_FILE,
      AZURE_ENDPOINT,
      GCS_SERVICE_ACCOUNT_FILE,
      GCS_SERVICE_ACCOUNT_KEY,
      GCS_ENDPOINT,
      MAINTENANCE_ENABLED,
      MAINTENANCE_LOG_COMPACTION_COMMITS,
      COMPACTION_ENABLED,
      COMPACTION_TARGET_FILE_BYTES,
      COMPACTION_MIN_FILES,
      COMPACTION_SCOPE,
      COMPACTION_COLD_MS,
      COMPACTION_INTERVAL_MS,
      COMPACTION_MEMORY_BYTES,
      COMPACTION_MAX_BYTES_PER_SECOND,
      COMPACTION_ORDER_BY,
      COMPACTION_Z_ORDER_BY,
      VACUUM_MODE,
      VACUUM_INTERVAL_MS,
      VALIDATE_CONNECTIVITY);

  /** Those that may differ from table to table. */
  public static final List<String> OF_A_TABLE = List.of(
      TABLE_AUTO_CREATE,
      TABLE_PROPERTIES,
      PARTITION_BY,
      SCHEMA_JSON,
      SCHEMA_FILE,
      SCHEMA_EVOLUTION,
      SCHEMA_UNKNOWN_FIELDS,
      METADATA_COLUMNS,
      METADATA_PREFIX,
      METADATA_STRUCT,
      KEY_MODE,
      KEY_PREFIX,
      DERIVED_COLUMNS,
      KAFKA_DELTA_INGEST_APP_ID,
      MAINTENANCE_ENABLED,
      MAINTENANCE_LOG_COMPACTION_COMMITS,
      COMPACTION_ENABLED,
      COMPACTION_TARGET_FILE_BYTES,
      COMPACTION_MIN_FILES,
      COMPACTION_SCOPE,
      COMPACTION_COLD_MS,
      COMPACTION_INTERVAL_MS,
      COMPACTION_MEMORY_BYTES,
      COMPACTION_MAX_BYTES_PER_SECOND,
      COMPACTION_ORDER_BY,
      COMPACTION_Z_ORDER_BY,
      VACUUM_MODE,
      VACUUM_INTERVAL_MS);

  private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*:.*", Pattern.DOTALL);
  private static final Pattern BUCKET_URL = Pattern.compile("[a-z0-9]+://[A-Za-z0-9._-]+/.*", Pattern.DOTALL);
  private static final Pattern ACCOUNT_URL =
      Pattern.compile("[a-z0-9]+://[A-Za-z0-9._-]*@[A-Za-z0-9._-]*/.*", Pattern.DOTALL);
  private static final Map<String, String> OBJECT_STORES = objectStores();
  private static final Pattern BAD_PERCENT = Pattern.compile("%(?![0-9A-Fa-f]{2})");
  private static final Pattern ENCODED_SLASH = Pattern.compile("%2[Ff]");

  private static final Validator TABLE_URI_RULE = LambdaValidator.with(
      Settings::checkTableUri, () -> "an absolute path or a file:/// URL, with ${topic} for the topic and ${table} for the table's name");
  private static final Validator ABSOLUTE_PATH_RULE =
      LambdaValidator.with(Settings::checkAbsolutePath, () -> "an absolute path");

  private Settings() {}

  /** The settings one by one. The rules between them and unknown names are {@link #validate}'s. */
  public static ConfigDef configDef() {
    ConfigDef definitions = new ConfigDef();
    definitions.define(
        TABLE_URI,
        Type.STRING,
        ConfigDef.NO_DEFAULT_VALUE,
        TABLE_URI_RULE,
        Importance.HIGH,
        "Where the Delta table is: an absolute path on the worker such as /data/events, or a URL "
            + "such as file:///data/events, s3://bucket/events (or s3a://), gs://bucket/events, "
            + "az://container/events or abfss://container@account.dfs.core.windows.net/events. In a URL, "
            + "characters outside ASCII and the characters %, ? and # are percent-encoded; a path is "
            + "taken as it stands. Relative paths and paths with .. are refused. Every worker that may "
            + "run a task must see the same file system at a path; docs/stores.md has what each store "
            + "needs.\n\n${topic} stands for the record's original topic, before any transformation "
            + "renamed it: with /data/${topic} each topic has its own table. ${table} stands for the "
            + "name that delta.topic2table.map or delta.route.by finds, and for the topic where neither "
            + "is given. Without a placeholder, all topics that the connector reads go into the one "
            + "table.",
        "Table",
        1,
        Width.LONG,
        "Table URI");
    definitions.define(
        TABLE_AUTO_CREATE,
        Type.BOOLEAN,
        false,
        null,
        Importance.MEDIUM,
        "Whether a table that is not there is created: with the schema of delta.schema.json or "
            + "delta.schema.file, else with the Connect schema of the first records, else with a schema "
            + "inferred from the first records; docs/evolution.md has the rules. With false a missing "
            + "table fails the task, so that a misspelt location is not taken for a new table.",
        "Table",
        2,
        Width.SHORT,
        "Create the table");
    definitions.define(
        TABLE_PROPERTIES,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Properties of a table that Sluice creates, such as delta.enableDeletionVectors=true; "
            + "delta.logRetentionDuration=interval 7 days. A table that is there keeps its own.",
        "Table",
        3,
        Width.LONG,
        "Table properties");
    definitions.define(
        PARTITION_BY,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "How a table that Sluice creates is partitioned: columns such as country, and functions "
            + "such as day(ts), hour(ts), bucket(16, id), truncate(4, name) or date(kafka.timestamp), "
            + "each of which adds a column that it fills (ts_day). docs/columns.md has them all. A table "
            + "that is there keeps its own partitioning, which has to be the one given here.",
        "Table",
        4,
        Width.LONG,
        "Partition columns");
    definitions.define(
        TOPIC2TABLE_MAP,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "Which tables the records of a topic go to, such as orders=sales; eu_.*=sales,europe. On "
            + "the left stands the original topic or a regular expression for all of it; the first entry "
            + "that matches counts. On the right stands one table or several, each of which gets every "
            + "record: a name, which is put in place of ${table} in delta.table.uri, or a location of "
            + "its own as delta.table.uri would have it. A topic that no entry matches goes to the table "
            + "of its own name.",
        "Routing",
        1,
        Width.LONG,
        "Topics to tables");
    definitions.define(
        ROUTE_BY,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "Lets each record name its table: by a field of its value such as field(meta.type), by the "
            + "last header of a name such as header(type), or by topic, the topic that the record has "
            + "after transformations renamed it. What is found there goes through delta.route.map, or is "
            + "the table's name itself where no map is given. Not together with delta.topic2table.map. "
            + "Offsets are then held by Connect, as docs/exactly-once.md says, and each table skips what "
            + "it already has.",
        "Routing",
        2,
        Width.LONG,
        "Route by value");
    definitions.define(
        ROUTE_MAP,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Which tables a value of delta.route.by stands for, written as delta.topic2table.map is. A "
            + "value that no entry matches is unmatched.",
        "Routing",
        3,
        Width.LONG,
        "Values to tables");
    definitions.define(
        ROUTE_UNMATCHED,
        Type.STRING,
        "fail",
        ValidString.in("fail", "skip", "dlq"),
        Importance.LOW,
        "What becomes of a record that delta.route.by finds no table for: the field or header is "
            + "missing or null, or no entry of delta.route.map matches. fail fails the task, skip makes "
            + "no row of it and counts it, dlq makes it an errant record with the code RECORD_UNROUTED.",
        "Routing",
        4,
        Width.SHORT,
        "Unmatched records");
    definitions.define(
        SCHEMA_JSON,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The table's schema as Delta itself writes it (schemaString of the table's metaData "
            + "action), for example "
            + "{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":false,\"metadata\":{}}]}. "
            + "A table that Sluice creates gets it; without it, the first records say what columns there "
            + "are. A table that is there is checked against it: each of its columns must be in the "
            + "table with the same type, or is added where delta.schema.evolution allows it. Rows are "
            + "always made for the table's own schema. Not together with delta.schema.file.",
        "Schema",
        1,
        Width.LONG,
        "Schema");
    definitions.define(
        SCHEMA_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.MEDIUM,
        "The absolute path of a UTF-8 file that holds what delta.schema.json would hold. A task "
            + "reads it when it starts, so it must be on every worker that may run a task. Not together "
            + "with delta.schema.json.",
        "Schema",
        2,
        Width.LONG,
        "Schema file");
    definitions.define(
        SCHEMA_EVOLUTION,
        Type.STRING,
        "none",
        ValidString.in("none", "add", "widen"),
        Importance.HIGH,
        "Whether the table's schema grows with the records. none: never. add: new fields become "
            + "new columns, at any depth, and a column that is not nullable becomes nullable when "
            + "records stop having it. widen: as add, and column types grow where the table has "
            + "delta.enableTypeWidening=true. No column ever becomes narrower or goes away. "
            + "docs/evolution.md has the rules.",
        "Schema",
        3,
        Width.SHORT,
        "Schema evolution");
    definitions.define(
        SCHEMA_UNKNOWN_FIELDS,
        Type.STRING,
        "ignore",
        ValidString.in("ignore", "fail"),
        Importance.MEDIUM,
        "What becomes of a field that the table has no column for, and that delta.schema.evolution "
            + "adds none for. ignore leaves the field out and counts it. fail makes the whole record an "
            + "errant record with the code RECORD_UNKNOWN_FIELD.",
        "Schema",
        4,
        Width.SHORT,
        "Fields without a column");
    definitions.define(
        INPUT_MODE,
        Type.STRING,
        "auto",
        ValidString.in("auto", "raw", "connect"),
        Importance.MEDIUM,
        "In which form Connect hands records over. raw: the value is bytes or a string, and Sluice "
            + "decodes it natively; set value.converter to Connect's ByteArrayConverter. This is the "
            + "cheapest way. connect: the value is a Struct or a Map, from any converter and any "
            + "transformation; docs/types.md says what becomes of each type. auto: bytes and strings are "
            + "taken as raw, everything else as connect.",
        "Input",
        1,
        Width.SHORT,
        "Input mode");
    definitions.define(
        BEHAVIOR_ON_NULL_VALUES,
        Type.STRING,
        "ignore",
        ValidString.in("ignore", "fail", "dlq"),
        Importance.MEDIUM,
        "What becomes of a record without a value. ignore makes no row of it and counts it. fail "
            + "fails the task. dlq makes it an errant record with the code RECORD_NULL_VALUE. With "
            + "ignore and dlq the offset moves past it.",
        "Input",
        2,
        Width.SHORT,
        "Tombstones");
    definitions.define(
        RAW_FORMAT,
        Type.STRING,
        "json",
        ValidString.in("json", "json-schema", "avro", "protobuf", "csv", "string", "bytes"),
        Importance.MEDIUM,
        "How a raw value is decoded. json: each value is one JSON object in UTF-8, whose fields "
            + "are the columns; docs/json.md says what each column type takes. avro: each value is one "
            + "record in Avro's binary encoding, written with the schema that it names "
            + "(delta.raw.framing) or with that of delta.raw.schema; docs/avro.md says what each type "
            + "becomes. protobuf and json-schema likewise: docs/protobuf.md, docs/json-schema.md. csv: "
            + "each value is one row of text with delimiters; string and bytes: the value is one column "
            + "as it is; docs/text.md. A record without a value (a tombstone) makes no row.",
        "Input",
        3,
        Width.SHORT,
        "Raw format");
    definitions.define(
        RAW_FRAMING,
        Type.STRING,
        "auto",
        ValidString.in("auto", "none", "confluent", "confluent-header", "apicurio", "apicurio-content", "avro-single-object", "avro-container"),
        Importance.MEDIUM,
        "Where a record names the schema that it was written with. confluent: a zero byte and the "
            + "schema's id in four bytes stand before the value, as Confluent's serializers do. "
            + "confluent-header: the header __value_schema_id holds the schema's GUID, and a record "
            + "without it is taken as confluent. apicurio: a zero byte and Apicurio's global id in eight "
            + "bytes; apicurio-content: its content id. none: nowhere, all records have the schema of "
            + "delta.raw.schema. avro-single-object: Avro's marker and the fingerprint of the schema, "
            + "which is delta.raw.schema or, where that is a union, one of its types. avro-container: "
            + "each value is a whole container file with its schema and one record. auto is confluent "
            + "where delta.registry.url is given, else none. docs/raw.md has more.",
        "Input",
        4,
        Width.SHORT,
        "Framing");
    definitions.define(
        RAW_SCHEMA,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The schema that all records were written with, where they do not name it themselves: an "
            + "Avro schema as JSON, the text of a .proto file, or a JSON Schema. Not together with "
            + "delta.raw.schema.file.",
        "Input",
        5,
        Width.LONG,
        "Schema of raw records");
    definitions.define(
        RAW_SCHEMA_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.MEDIUM,
        "The absolute path of a file that holds what delta.raw.schema would hold; for Protobuf it "
            + "may be a descriptor set, as protoc --include_imports --descriptor_set_out writes it. A "
            + "task reads it when it starts, so it must be on every worker that may run a task. Not "
            + "together with delta.raw.schema.",
        "Input",
        6,
        Width.LONG,
        "File of that schema");
    definitions.define(
        RAW_MESSAGE,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The full name of the Protobuf message that all records are, such as shop.Order, where "
            + "records do not say it themselves (delta.raw.framing=none). Without it, the first message "
            + "of the schema.",
        "Input",
        7,
        Width.LONG,
        "Protobuf message");
    definitions.define(
        RAW_VALUE_COMPRESSION,
        Type.STRING,
        "none",
        ValidString.in("none", "auto", "gzip", "zstd", "snappy", "lz4"),
        Importance.LOW,
        "How the producer compressed each value, below whatever Kafka itself compresses. auto goes "
            + "by the first bytes of each value and leaves others as they are. docs/text.md has the "
            + "layouts and the limits.",
        "Input",
        8,
        Width.SHORT,
        "Compression of values");
    definitions.define(
        RAW_CSV_COLUMNS,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "What the fields of a row are, in their order: names with commas between. Without it they "
            + "are the table's columns. A table that Sluice creates without delta.schema.json gets these "
            + "columns, as strings.",
        "Input",
        9,
        Width.LONG,
        "CSV columns");
    definitions.define(
        RAW_CSV_DELIMITER,
        Type.STRING,
        "comma",
        null,
        Importance.LOW,
        "What stands between two fields: one ASCII character, or one of the words comma, tab, "
            + "space.",
        "Input",
        10,
        Width.LONG,
        "CSV delimiter");
    definitions.define(
        RAW_CSV_QUOTE,
        Type.STRING,
        "double",
        null,
        Importance.LOW,
        "What stands around a field that has delimiters in it: double (\"), another ASCII "
            + "character, or none.",
        "Input",
        11,
        Width.LONG,
        "CSV quote");
    definitions.define(
        RAW_CSV_NULL,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The text of a field that is null, such as NULL, where it is not quoted. Without it, the "
            + "empty field.",
        "Input",
        12,
        Width.LONG,
        "CSV null");
    definitions.define(
        RAW_VALUE_COLUMN,
        Type.STRING,
        "value",
        null,
        Importance.LOW,
        "The column that the whole value goes to with delta.raw.format=string or bytes.",
        "Input",
        13,
        Width.LONG,
        "Value column");
    definitions.define(
        RAW_JSON_STRINGS,
        Type.STRING,
        "strict",
        ValidString.in("strict", "lenient"),
        Importance.LOW,
        "What a string column takes. strict takes JSON strings only; anything else makes the "
            + "record an errant record with the code RECORD_TYPE. lenient also takes numbers, booleans, "
            + "objects and arrays, as their JSON text, the way Spark's from_json does.",
        "Input",
        14,
        Width.SHORT,
        "JSON strings");
    definitions.define(
        REGISTRY_URL,
        Type.STRING,
        null,
        null,
        Importance.HIGH,
        "Where the schema registry is, such as http://registry:8081. Where the first of several "
            + "does not answer, the next one is asked. A path is kept: "
            + "http://apicurio:8080/apis/ccompat/v7 is the API that Apicurio has for Confluent's "
            + "clients. http://user:password@host is taken as delta.registry.username and "
            + "delta.registry.password, but Connect itself may print it. docs/registry.md says what is "
            + "asked, kept and tried again.",
        "Schema registry",
        1,
        Width.LONG,
        "Registry");
    definitions.define(
        REGISTRY_API,
        Type.STRING,
        "confluent",
        ValidString.in("confluent", "apicurio"),
        Importance.MEDIUM,
        "What the registry is asked with. confluent: the API of Confluent's registry, which "
            + "Apicurio, Karapace and others have too. apicurio: Apicurio's own, for records whose ids "
            + "are Apicurio's; version 3, or 2 where delta.registry.url ends in /apis/registry/v2.",
        "Schema registry",
        2,
        Width.SHORT,
        "Registry API");
    definitions.define(
        REGISTRY_USERNAME,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The user that the registry is told (HTTP basic authentication), with "
            + "delta.registry.password. In Confluent Cloud it is the API key.",
        "Schema registry",
        3,
        Width.LONG,
        "User");
    definitions.define(
        REGISTRY_PASSWORD,
        Type.PASSWORD,
        null,
        null,
        Importance.MEDIUM,
        "The password that belongs to delta.registry.username. Give it by one of Connect's config "
            + "providers rather than in clear.",
        "Schema registry",
        4,
        Width.MEDIUM,
        "Password");
    definitions.define(
        REGISTRY_BEARER_TOKEN,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "A fixed token that the registry is told (Authorization: Bearer). Nothing renews it.",
        "Schema registry",
        5,
        Width.MEDIUM,
        "Bearer token");
    definitions.define(
        REGISTRY_OAUTH_TOKEN_URL,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Where tokens for the registry are fetched by OAuth's client credentials grant, with "
            + "delta.registry.oauth.client.id and delta.registry.oauth.client.secret. A token is renewed "
            + "before it expires, and once when the registry refuses it.",
        "Schema registry",
        6,
        Width.LONG,
        "OAuth token URL");
    definitions.define(
        REGISTRY_OAUTH_CLIENT_ID,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The client that delta.registry.oauth.token.url gives tokens to.",
        "Schema registry",
        7,
        Width.LONG,
        "OAuth client id");
    definitions.define(
        REGISTRY_OAUTH_CLIENT_SECRET,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The secret that the client delta.registry.oauth.client.id authenticates with.",
        "Schema registry",
        8,
        Width.MEDIUM,
        "OAuth client secret");
    definitions.define(
        REGISTRY_OAUTH_SCOPE,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The scopes that the token is asked for, with spaces between, where the identity provider "
            + "wants any.",
        "Schema registry",
        9,
        Width.LONG,
        "OAuth scope");
    definitions.define(
        REGISTRY_CA_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.LOW,
        "The absolute path of a PEM file with certificates that are trusted besides the system's, "
            + "for the registry and for delta.registry.oauth.token.url. It must be on every worker that "
            + "may run a task.",
        "Schema registry",
        10,
        Width.LONG,
        "Certificate authorities");
    definitions.define(
        REGISTRY_TLS_CERT_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.LOW,
        "The absolute path of a PEM file with the certificate, and those up to its authority, that "
            + "the registry knows the worker by (mutual TLS). It is read again when a connection is "
            + "refused, so that a renewed one is found.",
        "Schema registry",
        11,
        Width.LONG,
        "Client certificate");
    definitions.define(
        REGISTRY_TLS_KEY_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.LOW,
        "The absolute path of a PEM file with the private key of delta.registry.tls.cert.file, "
            + "without a password. It may be the same file.",
        "Schema registry",
        12,
        Width.LONG,
        "Client key");
    definitions.define(
        REGISTRY_REQUEST_TIMEOUT_MS,
        Type.LONG,
        10000L,
        Range.atLeast(100L),
        Importance.LOW,
        "How long, in milliseconds, one request to the registry may take before the next URL is "
            + "asked, or the same one again later.",
        "Schema registry",
        13,
        Width.MEDIUM,
        "Request time-out");
    definitions.define(
        METADATA_COLUMNS,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "What of a record's place in Kafka becomes columns, with commas between, such as "
            + "topic,partition,offset. Topic, partition and offset are the original ones. "
            + "docs/columns.md has their types.",
        "Columns",
        1,
        Width.LONG,
        "Metadata columns");
    definitions.define(
        METADATA_PREFIX,
        Type.STRING,
        "_kafka_",
        null,
        Importance.LOW,
        "What the names of delta.metadata.columns start with: _kafka_offset by default.",
        "Columns",
        2,
        Width.LONG,
        "Prefix of metadata columns");
    definitions.define(
        METADATA_STRUCT,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The name of one struct column that holds delta.metadata.columns as its fields, without "
            + "the prefix. Without it they are columns of their own.",
        "Columns",
        3,
        Width.LONG,
        "One struct for metadata");
    definitions.define(
        KEY_MODE,
        Type.STRING,
        "ignore",
        ValidString.in("ignore", "columns"),
        Importance.MEDIUM,
        "What becomes of a record's key. ignore leaves it out. columns makes each field of a "
            + "Struct or Map a column, and any other key one column; docs/columns.md has the names.",
        "Columns",
        4,
        Width.SHORT,
        "Record keys");
    definitions.define(
        KEY_PREFIX,
        Type.STRING,
        "key_",
        null,
        Importance.LOW,
        "What the names of key columns start with. All columns of the table that start with it are "
            + "filled from the key, and from nothing else.",
        "Columns",
        5,
        Width.LONG,
        "Prefix of key columns");
    definitions.define(
        DERIVED_COLUMNS,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "Columns that Sluice computes for each row, such as event_date = date(ts); country = "
            + "field(address.country); ingested = kafka.timestamp. docs/columns.md has the functions.",
        "Columns",
        6,
        Width.LONG,
        "Derived columns");
    definitions.define(
        OFFSETS_FROM_CONNECTOR,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The name of the connector that filled the table until now, with the same topics of the "
            + "same Kafka cluster: what to set when a connector is renamed. A partition of which the "
            + "table holds no offset of this connector's own starts where that one stopped. Once the "
            + "table holds an offset of its own the setting has no effect, and it may stay. Delete the "
            + "other connector first. docs/offsets.md has the steps.",
        "Offsets",
        1,
        Width.LONG,
        "Take over from another connector");
    definitions.define(
        OFFSETS_OTHER_CONNECTORS,
        Type.STRING,
        "fail",
        ValidString.in("fail", "ignore"),
        Importance.LOW,
        "What to do when the table holds another connector's offset of a topic's partition and "
            + "none of this one's: a connector that was renamed would write every row again. fail fails "
            + "the task. ignore lets both write the topic's rows, each from its own offsets. Connectors "
            + "with different topics share a table without this.",
        "Offsets",
        2,
        Width.SHORT,
        "Offsets of other connectors");
    definitions.define(
        KAFKA_DELTA_INGEST_APP_ID,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The --app_id of the kafka-delta-ingest job that filled the table until now. A partition "
            + "of which the table holds no offset of Sluice's own starts behind the last offset that the "
            + "job wrote. Once the table holds an offset of its own the setting has no effect, and it "
            + "may stay. Stop the job first. Its offsets do not say of which topic they are, so one "
            + "topic of topics at most may lead to the table. docs/kafka-delta-ingest.md has the steps.",
        "Offsets",
        3,
        Width.LONG,
        "Take over from kafka-delta-ingest");
    definitions.define(
        COMMIT_INTERVAL_MS,
        Type.LONG,
        60000L,
        Range.atLeast(100L),
        Importance.HIGH,
        "The longest time, in milliseconds, that a record waits before its rows are put up for "
            + "commit. It is also how late readers of the table see new rows. Each commit adds a version "
            + "to the table and at least one file for each task that has rows, so a shorter interval "
            + "means more and smaller files. Commits also happen earlier, when delta.commit.max.bytes or "
            + "delta.commit.max.records is given and reached, or memory is short.",
        "Commits",
        1,
        Width.MEDIUM,
        "Commit interval");
    definitions.define(
        COMMIT_MAX_BYTES,
        Type.LONG,
        0L,
        Range.atLeast(0L),
        Importance.LOW,
        "Commit as soon as this many bytes of record values were taken since the last commit, "
            + "counted for each task and table, as the values are in Kafka and before compression into "
            + "Parquet. 0 sets no limit: rows that wait for the commit are in files already, which "
            + "delta.target.file.bytes bounds by what they have after compression, and a limit on the "
            + "bytes before it makes smaller ones.",
        "Commits",
        2,
        Width.MEDIUM,
        "Bytes per commit");
    definitions.define(
        COMMIT_MAX_RECORDS,
        Type.LONG,
        0L,
        Range.atLeast(0L),
        Importance.LOW,
        "Commit as soon as this many records were taken since the last commit, counted for each "
            + "task and table. 0 sets no limit.",
        "Commits",
        3,
        Width.MEDIUM,
        "Records per commit");
    definitions.define(
        TARGET_FILE_BYTES,
        Type.LONG,
        134217728L,
        Range.atLeast(1048576L),
        Importance.MEDIUM,
        "A Parquet file that has grown to about this many bytes, compressed, is finished and "
            + "another one is begun. A commit before that makes a smaller file.",
        "Files",
        1,
        Width.MEDIUM,
        "Target file size");
    definitions.define(
        PARQUET_COMPRESSION,
        Type.STRING,
        "zstd",
        ValidString.in("zstd", "snappy", "lz4", "none"),
        Importance.LOW,
        "How the pages of Parquet files are compressed. zstd makes the smallest files, snappy and "
            + "lz4 cost less processor time, none does not compress.",
        "Files",
        2,
        Width.SHORT,
        "Parquet compression");
    definitions.define(
        MEMORY_BUDGET_BYTES,
        Type.LONG,
        0L,
        Range.atLeast(0L),
        Importance.MEDIUM,
        "What the rows of all connectors of a worker may hold in native memory, outside the Java "
            + "heap, from when Connect hands them over until their files are in the store. The most that "
            + "any connector of the worker has asked for since it started counts. 0 asks for nothing; "
            + "where nobody asks, it is a quarter of the memory that the worker's container or machine "
            + "has. Above half of it, the tasks that hold more than their share commit early and pause "
            + "their partitions; above all of it, no task takes rows. Nothing fails.",
        "Memory",
        1,
        Width.MEDIUM,
        "Memory budget");
    definitions.define(
        COMMIT_LOCK,
        Type.STRING,
        "store",
        ValidString.in("store", "dynamodb"),
        Importance.HIGH,
        "How a version of the table's log is claimed. store: by what the store itself offers, a "
            + "hard link on a file system, a conditional put on S3, Azure and Google Cloud. dynamodb: by "
            + "an entry in DynamoDB, as Spark's S3DynamoDBLogStore and old versions of delta-rs do; for "
            + "tables on S3 that such writers write too, and for S3 servers without conditional puts. "
            + "All writers of a table have to use the same lock; docs/stores.md says which one when.",
        "Store",
        1,
        Width.SHORT,
        "Commit lock");
    definitions.define(
        STORE_PROXY_URL,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The HTTP proxy that object stores and the lock table are reached through, such as "
            + "http://proxy:3128, with user and password where it asks for them. It is never printed.",
        "Store",
        2,
        Width.MEDIUM,
        "Proxy");
    definitions.define(
        STORE_CA_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.LOW,
        "The absolute path of a PEM file with certificates that are trusted besides the system's, "
            + "for stores and proxies with certificates of one's own. It must be on every worker that "
            + "may run a task.",
        "Store",
        3,
        Width.LONG,
        "Certificate authorities");
    definitions.define(
        STORE_CONNECT_TIMEOUT_MS,
        Type.LONG,
        5000L,
        Range.atLeast(100L),
        Importance.LOW,
        "How long, in milliseconds, a connection to an object store or the lock table may take to "
            + "be made.",
        "Store",
        4,
        Width.MEDIUM,
        "Connect time-out");
    definitions.define(
        STORE_REQUEST_TIMEOUT_MS,
        Type.LONG,
        30000L,
        Range.atLeast(1000L),
        Importance.LOW,
        "How long, in milliseconds, one request to an object store or the lock table may take "
            + "before it is tried again.",
        "Store",
        5,
        Width.MEDIUM,
        "Request time-out");
    definitions.define(
        STORE_RETRY_TIMEOUT_MS,
        Type.LONG,
        3600000L,
        Range.atLeast(0L),
        Importance.MEDIUM,
        "How long, in milliseconds, a task tries again what fails because the store or the lock "
            + "table does not answer, before it fails with STORE_IO. Meanwhile its partitions are "
            + "paused, and no row is lost or kept in memory; docs/operations.md says what the log tells. "
            + "A table that nothing has worked with since the worker started is tried for a minute at "
            + "most, so that a misspelt location does not look like an outage. 0 fails the task at once. "
            + "A refused access and a full store always do.",
        "Store",
        6,
        Width.MEDIUM,
        "Patience with the store");
    definitions.define(
        STORE_UPLOAD_PART_BYTES,
        Type.LONG,
        8388608L,
        Range.atLeast(5242880L),
        Importance.LOW,
        "The size of the parts in which a file larger than this goes to an object store. Parts are "
            + "made larger where delta.target.file.bytes would need more than 10,000 of them.",
        "Store",
        7,
        Width.MEDIUM,
        "Upload part size");
    definitions.define(
        S3_REGION,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The region of the bucket, such as eu-central-1. Without it, the worker's environment, its "
            + "AWS profile or the instance it runs on says which, else it is us-east-1.",
        "S3",
        1,
        Width.LONG,
        "Region");
    definitions.define(
        S3_ENDPOINT,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "Where an S3 server other than AWS's is reached, such as http://minio:9000. Plain HTTP is "
            + "used only where the endpoint says so.",
        "S3",
        2,
        Width.LONG,
        "Endpoint");
    definitions.define(
        S3_PATH_STYLE_ACCESS,
        Type.STRING,
        "auto",
        ValidString.in("auto", "true", "false"),
        Importance.LOW,
        "Whether the bucket's name stands in the path of a request instead of the host's name. "
            + "auto: where delta.s3.endpoint is given.",
        "S3",
        3,
        Width.SHORT,
        "Path style access");
    definitions.define(
        S3_ACCESS_KEY_ID,
        Type.PASSWORD,
        null,
        null,
        Importance.MEDIUM,
        "A fixed access key. Without it, and without delta.s3.profile or a web identity, "
            + "credentials come from where AWS's own programs find them: the environment, profiles, web "
            + "identity, the container, the instance. They are fetched again before they expire.",
        "S3",
        4,
        Width.MEDIUM,
        "Access key id");
    definitions.define(
        S3_SECRET_ACCESS_KEY,
        Type.PASSWORD,
        null,
        null,
        Importance.MEDIUM,
        "The secret that belongs to delta.s3.access.key.id. Give it by one of Connect's config "
            + "providers rather than in clear.",
        "S3",
        5,
        Width.MEDIUM,
        "Secret access key");
    definitions.define(
        S3_SESSION_TOKEN,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The session token of temporary keys. Nothing renews keys that are given here: when they "
            + "expire, the task fails.",
        "S3",
        6,
        Width.MEDIUM,
        "Session token");
    definitions.define(
        S3_PROFILE,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The profile in the worker's AWS configuration files that credentials come from, with what "
            + "it says of roles and processes.",
        "S3",
        7,
        Width.LONG,
        "Profile");
    definitions.define(
        S3_ROLE_ARN,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The role to take on before S3 and DynamoDB are used, such as "
            + "arn:aws:iam::123456789012:role/lake, with the credentials found otherwise or with "
            + "delta.s3.web.identity.token.file.",
        "S3",
        8,
        Width.LONG,
        "Role");
    definitions.define(
        S3_ROLE_SESSION_NAME,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The name of the session under delta.s3.role.arn, which AWS shows in its logs; sluice "
            + "without it.",
        "S3",
        9,
        Width.LONG,
        "Role session name");
    definitions.define(
        S3_ROLE_EXTERNAL_ID,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The external id that the role of another account may ask for.",
        "S3",
        10,
        Width.LONG,
        "External id");
    definitions.define(
        S3_WEB_IDENTITY_TOKEN_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.LOW,
        "The absolute path of the token that delta.s3.role.arn is taken on with. On EKS the "
            + "environment names it already, and this is not needed.",
        "S3",
        11,
        Width.LONG,
        "Web identity token file");
    definitions.define(
        S3_SSE,
        Type.STRING,
        "none",
        ValidString.in("none", "AES256", "aws:kms", "aws:kms:dsse"),
        Importance.LOW,
        "What every object that is written asks for. none leaves it to the bucket, which encrypts "
            + "by default on AWS.",
        "S3",
        12,
        Width.SHORT,
        "Server-side encryption");
    definitions.define(
        S3_SSE_KMS_KEY_ID,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The key that delta.s3.sse encrypts with where it is aws:kms or aws:kms:dsse: its id or "
            + "its ARN.",
        "S3",
        13,
        Width.LONG,
        "KMS key");
    definitions.define(
        S3_SSE_BUCKET_KEY,
        Type.BOOLEAN,
        false,
        null,
        Importance.LOW,
        "Whether an S3 bucket key is used with aws:kms, which makes far fewer requests to KMS.",
        "S3",
        14,
        Width.SHORT,
        "Bucket key");
    definitions.define(
        DYNAMODB_TABLE,
        Type.STRING,
        "delta_log",
        null,
        Importance.MEDIUM,
        "The DynamoDB table that holds the entries of delta.commit.lock=dynamodb. It has to be the "
            + "one that all writers of the tables use; delta_log is the default of Spark and of delta-rs.",
        "DynamoDB",
        1,
        Width.LONG,
        "Lock table");
    definitions.define(
        DYNAMODB_REGION,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The region of the lock table, that of delta.s3.region without it. Spark's default is "
            + "us-east-1, whatever the region of the bucket.",
        "DynamoDB",
        2,
        Width.LONG,
        "Region of the lock table");
    definitions.define(
        DYNAMODB_ENDPOINT,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Where a DynamoDB other than AWS's is reached, such as http://localhost:8000.",
        "DynamoDB",
        3,
        Width.LONG,
        "Endpoint of the lock table");
    definitions.define(
        DYNAMODB_ACCESS_KEY_ID,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "A fixed access key for the lock table. Without it the credentials of S3 are used.",
        "DynamoDB",
        4,
        Width.MEDIUM,
        "Access key id for the lock table");
    definitions.define(
        DYNAMODB_SECRET_ACCESS_KEY,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The secret that belongs to the key of delta.dynamodb.access.key.id.",
        "DynamoDB",
        5,
        Width.MEDIUM,
        "Secret access key for the lock table");
    definitions.define(
        DYNAMODB_SESSION_TOKEN,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The session token of temporary keys of delta.dynamodb.access.key.id.",
        "DynamoDB",
        6,
        Width.MEDIUM,
        "Session token for the lock table");
    definitions.define(
        DYNAMODB_PATH_SCHEME,
        Type.STRING,
        "auto",
        ValidString.in("auto", "s3", "s3a"),
        Importance.MEDIUM,
        "How the table's location begins in the lock table, which all its writers have to agree "
            + "on. Spark writes what its tables are opened with, mostly s3a. auto: as delta.table.uri "
            + "begins.",
        "DynamoDB",
        7,
        Width.SHORT,
        "Scheme in the lock table");
    definitions.define(
        DYNAMODB_TABLE_AUTO_CREATE,
        Type.BOOLEAN,
        false,
        null,
        Importance.LOW,
        "Whether a lock table that is not there is created, with the keys that Spark gives it and "
            + "with expiry of completed entries. With false it fails the task, so that a misspelt name "
            + "does not pass for a lock.",
        "DynamoDB",
        8,
        Width.SHORT,
        "Create the lock table");
    definitions.define(
        DYNAMODB_BILLING_MODE,
        Type.STRING,
        "PAY_PER_REQUEST",
        ValidString.in("PAY_PER_REQUEST", "PROVISIONED"),
        Importance.LOW,
        "How a lock table that Sluice creates is billed. PROVISIONED begins with 5 read and 5 "
            + "write units, as Spark does.",
        "DynamoDB",
        9,
        Width.SHORT,
        "Billing of the lock table");
    definitions.define(
        DYNAMODB_TTL_MS,
        Type.LONG,
        86400000L,
        Range.atLeast(60000L),
        Importance.LOW,
        "How long, in milliseconds, a completed entry stays in the lock table before DynamoDB may "
            + "delete it: a day, as with Spark.",
        "DynamoDB",
        10,
        Width.MEDIUM,
        "Expiry of entries");
    definitions.define(
        AZURE_ACCOUNT_NAME,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The storage account of az:// URLs. Those with abfss:// name it themselves.",
        "Azure",
        1,
        Width.LONG,
        "Storage account");
    definitions.define(
        AZURE_ACCOUNT_KEY,
        Type.PASSWORD,
        null,
        null,
        Importance.MEDIUM,
        "The storage account's key. Without a key, token or client, the managed identity of the "
            + "machine or pod is used.",
        "Azure",
        2,
        Width.MEDIUM,
        "Account key");
    definitions.define(
        AZURE_SAS_TOKEN,
        Type.PASSWORD,
        null,
        null,
        Importance.MEDIUM,
        "A shared access signature with the rights to read, write, create, list and delete in the "
            + "container.",
        "Azure",
        3,
        Width.MEDIUM,
        "SAS token");
    definitions.define(
        AZURE_TENANT_ID,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The tenant, which is the directory, of delta.azure.client.id.",
        "Azure",
        4,
        Width.LONG,
        "Tenant");
    definitions.define(
        AZURE_CLIENT_ID,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "The application that authenticates, with delta.azure.client.secret or "
            + "delta.azure.federated.token.file, or the managed identity to use of several.",
        "Azure",
        5,
        Width.LONG,
        "Client id");
    definitions.define(
        AZURE_CLIENT_SECRET,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The secret that the application delta.azure.client.id authenticates with.",
        "Azure",
        6,
        Width.MEDIUM,
        "Client secret");
    definitions.define(
        AZURE_FEDERATED_TOKEN_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.LOW,
        "The absolute path of the token of a workload identity, as on AKS.",
        "Azure",
        7,
        Width.LONG,
        "Federated token file");
    definitions.define(
        AZURE_ENDPOINT,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Where blobs are reached, if not at the storage account's usual address, such as "
            + "http://127.0.0.1:10000/account for an emulator.",
        "Azure",
        8,
        Width.LONG,
        "Endpoint");
    definitions.define(
        GCS_SERVICE_ACCOUNT_FILE,
        Type.STRING,
        null,
        ABSOLUTE_PATH_RULE,
        Importance.MEDIUM,
        "The absolute path of a service account's JSON key file, or of other application "
            + "credentials. Without it they come from where Google's own programs find them: the file "
            + "that GOOGLE_APPLICATION_CREDENTIALS names, or the instance.",
        "Google Cloud",
        1,
        Width.LONG,
        "Service account file");
    definitions.define(
        GCS_SERVICE_ACCOUNT_KEY,
        Type.PASSWORD,
        null,
        null,
        Importance.LOW,
        "The content of a service account's JSON key file, where it cannot be a file.",
        "Google Cloud",
        2,
        Width.MEDIUM,
        "Service account key");
    definitions.define(
        GCS_ENDPOINT,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Where Cloud Storage is reached, if not at Google's usual address.",
        "Google Cloud",
        3,
        Width.LONG,
        "Endpoint");
    definitions.define(
        MAINTENANCE_ENABLED,
        Type.BOOLEAN,
        true,
        null,
        Importance.MEDIUM,
        "Whether the worker keeps the table healthy beside its commits: checkpoints as often as "
            + "the table's delta.checkpointInterval says, version checksum files, log compaction files, "
            + "and the removal of log files that are older than the table's delta.logRetentionDuration. "
            + "false switches all of it off, and delta.compaction.enabled and delta.vacuum.mode with it. "
            + "What fails is logged, counted and tried again; no commit waits for it or fails by it. "
            + "Workers that write the same table take turns. Where tasks of a worker that have the same "
            + "table open differ in the settings of this section, those of the task that opened it last "
            + "count. docs/maintenance.md has the rest.",
        "Maintenance",
        1,
        Width.SHORT,
        "Maintenance");
    definitions.define(
        MAINTENANCE_LOG_COMPACTION_COMMITS,
        Type.LONG,
        10L,
        Range.atLeast(0L),
        Importance.LOW,
        "How many commits one log compaction file holds, at least 2. Readers that know such files "
            + "read one instead of all those commits. 0 writes none.",
        "Maintenance",
        2,
        Width.MEDIUM,
        "Commits of a log compaction file");
    definitions.define(
        COMPACTION_ENABLED,
        Type.BOOLEAN,
        false,
        null,
        Importance.MEDIUM,
        "Whether small data files of a partition are merged into larger ones, in commits that "
            + "change no row (dataChange=false). A merge that meets any other change of the same files "
            + "gives way and starts again. The settings that follow say which files, and how.",
        "Maintenance",
        3,
        Width.SHORT,
        "Compaction");
    definitions.define(
        COMPACTION_TARGET_FILE_BYTES,
        Type.LONG,
        0L,
        Range.atLeast(0L),
        Importance.LOW,
        "About how many bytes a merged file has, compressed. 0: as delta.target.file.bytes; else 1 "
            + "MiB at least.",
        "Maintenance",
        4,
        Width.MEDIUM,
        "Size of merged files");
    definitions.define(
        COMPACTION_MIN_FILES,
        Type.LONG,
        8L,
        Range.atLeast(2L),
        Importance.LOW,
        "A partition in which fewer small files can be merged is left alone.",
        "Maintenance",
        5,
        Width.MEDIUM,
        "Files worth a merge");
    definitions.define(
        COMPACTION_SCOPE,
        Type.STRING,
        "cold",
        ValidString.in("cold", "all"),
        Importance.LOW,
        "Which files are merged. cold: those of partitions to which nothing was added for "
            + "delta.compaction.cold.ms, so that rows are merged once and nobody is in the way; in a "
            + "table without partitions, files that are as old. all: those of every partition.",
        "Maintenance",
        6,
        Width.SHORT,
        "Scope of compaction");
    definitions.define(
        COMPACTION_COLD_MS,
        Type.LONG,
        3600000L,
        Range.atLeast(1000L),
        Importance.LOW,
        "How long, in milliseconds, nothing was added to a partition that counts as cold "
            + "(delta.compaction.scope=cold).",
        "Maintenance",
        7,
        Width.MEDIUM,
        "When a partition is cold");
    definitions.define(
        COMPACTION_INTERVAL_MS,
        Type.LONG,
        600000L,
        Range.atLeast(1000L),
        Importance.LOW,
        "How often, in milliseconds, small files are looked for. Each look reads the list of the "
            + "table's files.",
        "Maintenance",
        8,
        Width.MEDIUM,
        "Compaction interval");
    definitions.define(
        COMPACTION_MEMORY_BYTES,
        Type.LONG,
        134217728L,
        Range.atLeast(16777216L),
        Importance.MEDIUM,
        "What merging holds in native memory at most. It is a part of delta.memory.budget.bytes, "
            + "and never more than a quarter of that; where rows that come in need it, merging goes on "
            + "later. A worker works on one table at a time. With an order, as many rows are ordered "
            + "together as fit into it.",
        "Maintenance",
        9,
        Width.MEDIUM,
        "Memory of compaction");
    definitions.define(
        COMPACTION_MAX_BYTES_PER_SECOND,
        Type.LONG,
        33554432L,
        Range.atLeast(0L),
        Importance.LOW,
        "How many bytes of data files merging reads in a second at most, so that it leaves "
            + "processor, disk and network to the records that come in. 0 sets no limit.",
        "Maintenance",
        10,
        Width.MEDIUM,
        "Rate of compaction");
    definitions.define(
        COMPACTION_ORDER_BY,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Columns that the rows of merged files are ordered by, the first one first, such as "
            + "customer, address.country, so that readers skip more of them. Names with other characters "
            + "than letters, digits, _, -, $ and @ stand in backquotes. Without it rows stay as they "
            + "came. The table has to have all of the columns. Not together with "
            + "delta.compaction.z.order.by.",
        "Maintenance",
        11,
        Width.LONG,
        "Order of merged files");
    definitions.define(
        COMPACTION_Z_ORDER_BY,
        Type.STRING,
        null,
        null,
        Importance.LOW,
        "Columns in all of which rows that are near each other come into the same merged files "
            + "(Z-order), for queries that ask for one of them or another. Written as "
            + "delta.compaction.order.by, and not together with it.",
        "Maintenance",
        12,
        Width.LONG,
        "Z-order of merged files");
    definitions.define(
        VACUUM_MODE,
        Type.STRING,
        "off",
        ValidString.in("off", "dry-run", "delete"),
        Importance.MEDIUM,
        "What becomes of files in the table's folder that no version within the table's "
            + "delta.deletedFileRetentionDuration refers to. off: nothing. dry-run: the log says how "
            + "many there are, and how large. delete deletes them: versions before that can no longer be "
            + "read. docs/maintenance.md says what is spared.",
        "Maintenance",
        13,
        Width.SHORT,
        "Vacuum");
    definitions.define(
        VACUUM_INTERVAL_MS,
        Type.LONG,
        86400000L,
        Range.atLeast(1000L),
        Importance.LOW,
        "How often, in milliseconds, delta.vacuum.mode is done. Each time lists all files in the "
            + "table's folder.",
        "Maintenance",
        14,
        Width.MEDIUM,
        "Vacuum interval");
    definitions.define(
        VALIDATE_CONNECTIVITY,
        Type.BOOLEAN,
        false,
        null,
        Importance.LOW,
        "Whether Connect, each time it validates the settings, also tries what they name, for 8 "
            + "seconds at most: it reads the files, lists the tables' logs with the credentials of the "
            + "store, looks at the lock table of delta.commit.lock=dynamodb and asks the schema "
            + "registry. What fails is an error of the setting that names it. Nothing is written. "
            + "Connect validates before it creates or changes a connector: with true, it does neither "
            + "while one of these does not answer. docs/check.md has the rest.",
        "Validation",
        1,
        Width.SHORT,
        "Check the connections");
    return definitions;
  }

  /** Every setting with its errors, and every unknown {@code delta.} name with one. Never throws for a bad value. */
  public static List<ConfigValue> validate(Map<String, String> given) {
    Map<String, String> settings = new LinkedHashMap<>();
    given.forEach((name, value) -> {
      if (value != null) {
        settings.put(name, value);
      }
    });
    Map<String, ConfigValue> values = new LinkedHashMap<>();
    configDef().validate(settings).forEach(value -> values.put(value.name(), value));
    if (isGiven(settings, SCHEMA_JSON) && isGiven(settings, SCHEMA_FILE)) {
      refuse(values, SCHEMA_FILE, "cannot be given together with delta.schema.json; give one of the two");
    }
    if (isGiven(settings, RAW_SCHEMA) && isGiven(settings, RAW_SCHEMA_FILE)) {
      refuse(values, RAW_SCHEMA_FILE, "cannot be given together with delta.raw.schema; give one of the two");
    }
    if (isGiven(settings, TOPIC2TABLE_MAP) && isGiven(settings, ROUTE_BY)) {
      refuse(values, ROUTE_BY, "cannot be given together with delta.topic2table.map; give one of the two");
    }
    if (isGiven(settings, OFFSETS_FROM_CONNECTOR) && isGiven(settings, KAFKA_DELTA_INGEST_APP_ID)) {
      refuse(values, KAFKA_DELTA_INGEST_APP_ID, "cannot be given together with delta.offsets.from.connector; give one of the two");
    }
    if (isGiven(settings, ROUTE_MAP) && !isGiven(settings, ROUTE_BY)) {
      refuse(values, ROUTE_MAP, "means nothing without delta.route.by; give both, or none");
    }
    if (isGiven(settings, METADATA_STRUCT) && !isGiven(settings, METADATA_COLUMNS)) {
      refuse(values, METADATA_STRUCT, "means nothing without delta.metadata.columns; give both, or none");
    }
    if (isGiven(settings, S3_ACCESS_KEY_ID) && !isGiven(settings, S3_SECRET_ACCESS_KEY)) {
      refuse(values, S3_ACCESS_KEY_ID, "means nothing without delta.s3.secret.access.key; give both, or none");
    }
    if (isGiven(settings, S3_SECRET_ACCESS_KEY) && !isGiven(settings, S3_ACCESS_KEY_ID)) {
      refuse(values, S3_SECRET_ACCESS_KEY, "means nothing without delta.s3.access.key.id; give both, or none");
    }
    if (isGiven(settings, S3_SESSION_TOKEN) && !isGiven(settings, S3_ACCESS_KEY_ID)) {
      refuse(values, S3_SESSION_TOKEN, "means nothing without delta.s3.access.key.id; give both, or none");
    }
    if (isGiven(settings, S3_ACCESS_KEY_ID) && isGiven(settings, S3_PROFILE)) {
      refuse(values, S3_PROFILE, "cannot be given together with delta.s3.access.key.id; give one of the two");
    }
    if (isGiven(settings, S3_ROLE_SESSION_NAME) && !isGiven(settings, S3_ROLE_ARN)) {
      refuse(values, S3_ROLE_SESSION_NAME, "means nothing without delta.s3.role.arn; give both, or none");
    }
    if (isGiven(settings, S3_ROLE_EXTERNAL_ID) && !isGiven(settings, S3_ROLE_ARN)) {
      refuse(values, S3_ROLE_EXTERNAL_ID, "means nothing without delta.s3.role.arn; give both, or none");
    }
    if (isGiven(settings, S3_WEB_IDENTITY_TOKEN_FILE) && !isGiven(settings, S3_ROLE_ARN)) {
      refuse(values, S3_WEB_IDENTITY_TOKEN_FILE, "means nothing without delta.s3.role.arn; give both, or none");
    }
    if (isGiven(settings, DYNAMODB_ACCESS_KEY_ID) && !isGiven(settings, DYNAMODB_SECRET_ACCESS_KEY)) {
      refuse(values, DYNAMODB_ACCESS_KEY_ID, "means nothing without delta.dynamodb.secret.access.key; give both, or none");
    }
    if (isGiven(settings, DYNAMODB_SECRET_ACCESS_KEY) && !isGiven(settings, DYNAMODB_ACCESS_KEY_ID)) {
      refuse(values, DYNAMODB_SECRET_ACCESS_KEY, "means nothing without delta.dynamodb.access.key.id; give both, or none");
    }
    if (isGiven(settings, DYNAMODB_SESSION_TOKEN) && !isGiven(settings, DYNAMODB_ACCESS_KEY_ID)) {
      refuse(values, DYNAMODB_SESSION_TOKEN, "means nothing without delta.dynamodb.access.key.id; give both, or none");
    }
    if (isGiven(settings, AZURE_CLIENT_SECRET) && !isGiven(settings, AZURE_CLIENT_ID)) {
      refuse(values, AZURE_CLIENT_SECRET, "means nothing without delta.azure.client.id; give both, or none");
    }
    if (isGiven(settings, AZURE_ACCOUNT_KEY) && isGiven(settings, AZURE_SAS_TOKEN)) {
      refuse(values, AZURE_SAS_TOKEN, "cannot be given together with delta.azure.account.key; give one of the two");
    }
    if (isGiven(settings, GCS_SERVICE_ACCOUNT_FILE) && isGiven(settings, GCS_SERVICE_ACCOUNT_KEY)) {
      refuse(values, GCS_SERVICE_ACCOUNT_KEY, "cannot be given together with delta.gcs.service.account.file; give one of the two");
    }
    if (isGiven(settings, REGISTRY_USERNAME) && !isGiven(settings, REGISTRY_PASSWORD)) {
      refuse(values, REGISTRY_USERNAME, "means nothing without delta.registry.password; give both, or none");
    }
    if (isGiven(settings, REGISTRY_PASSWORD) && !isGiven(settings, REGISTRY_USERNAME)) {
      refuse(values, REGISTRY_PASSWORD, "means nothing without delta.registry.username; give both, or none");
    }
    if (isGiven(settings, REGISTRY_USERNAME) && !isGiven(settings, REGISTRY_URL)) {
      refuse(values, REGISTRY_USERNAME, "means nothing without delta.registry.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_BEARER_TOKEN) && !isGiven(settings, REGISTRY_URL)) {
      refuse(values, REGISTRY_BEARER_TOKEN, "means nothing without delta.registry.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_OAUTH_TOKEN_URL) && !isGiven(settings, REGISTRY_URL)) {
      refuse(values, REGISTRY_OAUTH_TOKEN_URL, "means nothing without delta.registry.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_OAUTH_TOKEN_URL) && !isGiven(settings, REGISTRY_OAUTH_CLIENT_ID)) {
      refuse(values, REGISTRY_OAUTH_TOKEN_URL, "means nothing without delta.registry.oauth.client.id; give both, or none");
    }
    if (isGiven(settings, REGISTRY_OAUTH_CLIENT_ID) && !isGiven(settings, REGISTRY_OAUTH_CLIENT_SECRET)) {
      refuse(values, REGISTRY_OAUTH_CLIENT_ID, "means nothing without delta.registry.oauth.client.secret; give both, or none");
    }
    if (isGiven(settings, REGISTRY_OAUTH_CLIENT_ID) && !isGiven(settings, REGISTRY_OAUTH_TOKEN_URL)) {
      refuse(values, REGISTRY_OAUTH_CLIENT_ID, "means nothing without delta.registry.oauth.token.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_OAUTH_CLIENT_SECRET) && !isGiven(settings, REGISTRY_OAUTH_CLIENT_ID)) {
      refuse(values, REGISTRY_OAUTH_CLIENT_SECRET, "means nothing without delta.registry.oauth.client.id; give both, or none");
    }
    if (isGiven(settings, REGISTRY_OAUTH_SCOPE) && !isGiven(settings, REGISTRY_OAUTH_TOKEN_URL)) {
      refuse(values, REGISTRY_OAUTH_SCOPE, "means nothing without delta.registry.oauth.token.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_USERNAME) && isGiven(settings, REGISTRY_BEARER_TOKEN)) {
      refuse(values, REGISTRY_BEARER_TOKEN, "cannot be given together with delta.registry.username; give one of the two");
    }
    if (isGiven(settings, REGISTRY_USERNAME) && isGiven(settings, REGISTRY_OAUTH_TOKEN_URL)) {
      refuse(values, REGISTRY_OAUTH_TOKEN_URL, "cannot be given together with delta.registry.username; give one of the two");
    }
    if (isGiven(settings, REGISTRY_BEARER_TOKEN) && isGiven(settings, REGISTRY_OAUTH_TOKEN_URL)) {
      refuse(values, REGISTRY_OAUTH_TOKEN_URL, "cannot be given together with delta.registry.bearer.token; give one of the two");
    }
    if (isGiven(settings, REGISTRY_CA_FILE) && !isGiven(settings, REGISTRY_URL)) {
      refuse(values, REGISTRY_CA_FILE, "means nothing without delta.registry.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_TLS_CERT_FILE) && !isGiven(settings, REGISTRY_URL)) {
      refuse(values, REGISTRY_TLS_CERT_FILE, "means nothing without delta.registry.url; give both, or none");
    }
    if (isGiven(settings, REGISTRY_TLS_CERT_FILE) && !isGiven(settings, REGISTRY_TLS_KEY_FILE)) {
      refuse(values, REGISTRY_TLS_CERT_FILE, "means nothing without delta.registry.tls.key.file; give both, or none");
    }
    if (isGiven(settings, REGISTRY_TLS_KEY_FILE) && !isGiven(settings, REGISTRY_TLS_CERT_FILE)) {
      refuse(values, REGISTRY_TLS_KEY_FILE, "means nothing without delta.registry.tls.cert.file; give both, or none");
    }
    if (isGiven(settings, COMPACTION_ORDER_BY) && isGiven(settings, COMPACTION_Z_ORDER_BY)) {
      refuse(values, COMPACTION_Z_ORDER_BY, "cannot be given together with delta.compaction.order.by; give one of the two");
    }
    if (isGiven(settings, COMPACTION_TARGET_FILE_BYTES) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_TARGET_FILE_BYTES, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_MIN_FILES) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_MIN_FILES, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_SCOPE) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_SCOPE, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_COLD_MS) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_COLD_MS, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_INTERVAL_MS) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_INTERVAL_MS, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_MEMORY_BYTES) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_MEMORY_BYTES, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_MAX_BYTES_PER_SECOND) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_MAX_BYTES_PER_SECOND, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_ORDER_BY) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_ORDER_BY, "means nothing without delta.compaction.enabled; give both, or none");
    }
    if (isGiven(settings, COMPACTION_Z_ORDER_BY) && !isGiven(settings, COMPACTION_ENABLED)) {
      refuse(values, COMPACTION_Z_ORDER_BY, "means nothing without delta.compaction.enabled; give both, or none");
    }
    for (String name : settings.keySet()) {
      if (name.startsWith(PREFIX) && !NAMES.contains(name) && !isOfATable(name)) {
        refuse(values, name, "there is no such setting; the nearest one is " + nearest(name));
      }
    }
    return List.copyOf(values.values());
  }

  private static void refuse(Map<String, ConfigValue> values, String name, String message) {
    values.computeIfAbsent(name, ConfigValue::new).addErrorMessage(name + ": " + message);
  }

  private static boolean isOfATable(String name) {
    return name.startsWith(TABLES_PREFIX)
        && OF_A_TABLE.stream()
            .map(setting -> "." + setting.substring(PREFIX.length()))
            .anyMatch(end -> name.endsWith(end) && name.length() > TABLES_PREFIX.length() + end.length());
  }

  private static boolean isGiven(Map<String, String> settings, String name) {
    return !settings.getOrDefault(name, "").trim().isEmpty();
  }

  private static void checkAbsolutePath(String name, Object value) {
    if (value != null && !value.toString().isEmpty() && !value.toString().startsWith("/")) {
      throw new ConfigException(name, value, "a relative path is refused: give an absolute path");
    }
  }

  private static void checkTableUri(String name, Object value) {
    String problem = value == null ? null : tableUriProblem(value.toString());
    if (problem != null) {
      throw new ConfigException(name, value, problem);
    }
  }

  /** How the URLs of each store are written, by their scheme. */
  private static Map<String, String> objectStores() {
    Map<String, String> stores = new LinkedHashMap<>();
    stores.put("s3", "s3://bucket/path");
    stores.put("s3a", "s3a://bucket/path");
    stores.put("gs", "gs://bucket/path");
    stores.put("az", "az://container/path");
    stores.put("azure", "azure://container/path");
    stores.put("abfs", "abfs://container@account.dfs.core.windows.net/path");
    stores.put("abfss", "abfss://container@account.dfs.core.windows.net/path");
    return stores;
  }

  /** Null when the native side accepts the text. */
  private static String tableUriProblem(String text) {
    if (text.replace("${topic}", "").replace("${table}", "").contains("${")) {
      return "the only placeholders are ${topic} and ${table}";
    }
    boolean isUrl = SCHEME.matcher(text).matches();
    if (!isUrl && !text.startsWith("/")) {
      return "a relative path is refused: give an absolute path or a URL";
    }
    if (text.startsWith("file:") && !text.startsWith("file:///")) {
      return "a file URL has three slashes, as in file:///data/events";
    }
    String scheme = isUrl ? text.substring(0, text.indexOf(':')) : "";
    if (isUrl && !scheme.equals("file")) {
      String form = OBJECT_STORES.get(scheme);
      if (form == null) {
        return "there is no store for " + scheme + ": give an absolute path or a URL with file, "
            + String.join(", ", OBJECT_STORES.keySet());
      }
      if (!(form.contains("@") ? ACCOUNT_URL : BUCKET_URL).matcher(text).matches()) {
        return "a URL of this store is written " + form;
      }
    }
    String path = isUrl ? text.substring(text.indexOf('/', scheme.length() + 3)) : text;
    if (isUrl) {
      if (path.contains("?") || path.contains("#")) {
        return "a URL of a table has no ? and no #; in a name they are written %3F and %23";
      }
      if (BAD_PERCENT.matcher(path).find()) {
        return "in a URL, % stands before two hexadecimal digits; itself it is written %25";
      }
      if (ENCODED_SLASH.matcher(path).find()) {
        return "%2F is refused: a slash cannot be in a name";
      }
      path = URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
    }
    if (path.indexOf('\0') >= 0 || path.indexOf('\uFFFD') >= 0) {
      return "the path has to be UTF-8 without zero bytes";
    }
    boolean isRoot = true;
    for (String segment : path.split("/")) {
      if (segment.equals("..")) {
        return "a path with .. is refused";
      }
      isRoot &= segment.isEmpty() || segment.equals(".");
    }
    return isRoot ? "the root of a file system or bucket cannot be a table" : null;
  }

  /** The declared name with the fewest edits from the given one in lower case; the first one of several. */
  private static String nearest(String name) {
    String given = name.toLowerCase(Locale.ROOT);
    String nearest = PREFIX;
    int fewest = Integer.MAX_VALUE;
    for (String declared : NAMES) {
      int edits = edits(given, declared);
      if (edits < fewest) {
        nearest = declared;
        fewest = edits;
      }
    }
    return nearest;
  }

  /** Insertions and removals that make one of the other. */
  private static int edits(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j < row.length; j++) {
      row[j] = j;
    }
    for (int i = 0; i < a.length(); i++) {
      int diagonal = row[0];
      row[0] = i + 1;
      for (int j = 0; j < b.length(); j++) {
        int above = row[j + 1];
        row[j + 1] = a.charAt(i) == b.charAt(j) ? diagonal : Math.min(row[j], above) + 1;
        diagonal = above;
      }
    }
    return row[b.length()];
  }
}
