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
 * same map, checks it again, and checks the schema besides.
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
  public static final String RAW_JSON_STRINGS = "delta.raw.json.strings";
  public static final String METADATA_COLUMNS = "delta.metadata.columns";
  public static final String METADATA_PREFIX = "delta.metadata.prefix";
  public static final String METADATA_STRUCT = "delta.metadata.struct";
  public static final String KEY_MODE = "delta.key.mode";
  public static final String KEY_PREFIX = "delta.key.prefix";
  public static final String DERIVED_COLUMNS = "delta.derived.columns";
  public static final String COMMIT_INTERVAL_MS = "delta.commit.interval.ms";
  public static final String COMMIT_MAX_BYTES = "delta.commit.max.bytes";
  public static final String COMMIT_MAX_RECORDS = "delta.commit.max.records";
  public static final String TARGET_FILE_BYTES = "delta.target.file.bytes";
  public static final String PARQUET_COMPRESSION = "delta.parquet.compression";
  public static final String STORE_RETRY_TIMEOUT_MS = "delta.store.retry.timeout.ms";

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
      RAW_JSON_STRINGS,
      METADATA_COLUMNS,
      METADATA_PREFIX,
      METADATA_STRUCT,
      KEY_MODE,
      KEY_PREFIX,
      DERIVED_COLUMNS,
      COMMIT_INTERVAL_MS,
      COMMIT_MAX_BYTES,
      COMMIT_MAX_RECORDS,
      TARGET_FILE_BYTES,
      PARQUET_COMPRESSION,
      STORE_RETRY_TIMEOUT_MS);

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
      DERIVED_COLUMNS);

  private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*:.*", Pattern.DOTALL);
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
            + "such as file:///data/events. In a URL, characters outside ASCII and the characters %, ? "
            + "and # are percent-encoded; a path is taken as it stands. Relative paths and paths with .. "
            + "are refused. Only local file systems are supported so far: any other scheme is refused. "
            + "Every worker that may run a task must see the same file system there.\n\n${topic} stands "
            + "for the record's original topic, before any transformation renamed it: with "
            + "/data/${topic} each topic has its own table. ${table} stands for the name that "
            + "delta.topic2table.map or delta.route.by finds, and for the topic where neither is given. "
            + "Without a placeholder, all topics that the connector reads go into the one table.",
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
        ValidString.in("json"),
        Importance.MEDIUM,
        "How a raw value is decoded. json: each value is one JSON object in UTF-8, whose fields "
            + "are the columns; docs/json.md says what each column type takes. A record without a value "
            + "(a tombstone) makes no row.",
        "Input",
        3,
        Width.SHORT,
        "Raw format");
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
        4,
        Width.SHORT,
        "JSON strings");
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
        COMMIT_INTERVAL_MS,
        Type.LONG,
        60000L,
        Range.atLeast(100L),
        Importance.HIGH,
        "The longest time, in milliseconds, that a record waits before its rows are put up for "
            + "commit. It is also how late readers of the table see new rows. Each commit adds a version "
            + "to the table and at least one file for each task that has rows, so a shorter interval "
            + "means more and smaller files. Commits also happen earlier, when delta.commit.max.bytes or "
            + "delta.commit.max.records is reached.",
        "Commits",
        1,
        Width.MEDIUM,
        "Commit interval");
    definitions.define(
        COMMIT_MAX_BYTES,
        Type.LONG,
        268435456L,
        Range.atLeast(1048576L),
        Importance.MEDIUM,
        "Commit as soon as this many bytes of record values were taken since the last commit, "
            + "counted for each task and table, as the values are in Kafka and before compression into "
            + "Parquet.",
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
        "A Parquet file that has grown to about this many bytes is finished and another one is "
            + "begun. A commit before that makes a smaller file.",
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
        1,
        Width.MEDIUM,
        "Patience with the store");
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
    if (isGiven(settings, TOPIC2TABLE_MAP) && isGiven(settings, ROUTE_BY)) {
      refuse(values, ROUTE_BY, "cannot be given together with delta.topic2table.map; give one of the two");
    }
    if (isGiven(settings, ROUTE_MAP) && !isGiven(settings, ROUTE_BY)) {
      refuse(values, ROUTE_MAP, "means nothing without delta.route.by; give both, or none");
    }
    if (isGiven(settings, METADATA_STRUCT) && !isGiven(settings, METADATA_COLUMNS)) {
      refuse(values, METADATA_STRUCT, "means nothing without delta.metadata.columns; give both, or none");
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

  /** Null when the native side accepts the text. */
  private static String tableUriProblem(String text) {
    if (text.replace("${topic}", "").replace("${table}", "").contains("${")) {
      return "the only placeholders are ${topic} and ${table}";
    }
    boolean isUrl = text.startsWith("file:///");
    if (!isUrl && text.startsWith("file:")) {
      return "a file URL has three slashes, as in file:///data/events";
    }
    if (!isUrl && SCHEME.matcher(text).matches()) {
      return "only local file systems are supported so far: give an absolute path or a file:/// URL";
    }
    String path = isUrl ? text.substring("file://".length()) : text;
    if (!path.startsWith("/")) {
      return "a relative path is refused: give an absolute path or a file:/// URL";
    }
    if (isUrl) {
      if (path.contains("?") || path.contains("#")) {
        return "a file URL has no ? and no #; in a file's name they are written %3F and %23";
      }
      if (BAD_PERCENT.matcher(path).find()) {
        return "in a file URL, % stands before two hexadecimal digits; itself it is written %25";
      }
      if (ENCODED_SLASH.matcher(path).find()) {
        return "%2F is refused: a slash cannot be in a file's name";
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
    return isRoot ? "the root of the file system cannot be a table" : null;
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
