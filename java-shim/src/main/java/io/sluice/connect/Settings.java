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

  public static final String TABLE_URI = "delta.table.uri";
  public static final String TABLE_AUTO_CREATE = "delta.table.auto.create";
  public static final String SCHEMA_JSON = "delta.schema.json";
  public static final String SCHEMA_FILE = "delta.schema.file";
  public static final String SCHEMA_UNKNOWN_FIELDS = "delta.schema.unknown.fields";
  public static final String INPUT_MODE = "delta.input.mode";
  public static final String RAW_FORMAT = "delta.raw.format";
  public static final String RAW_JSON_STRINGS = "delta.raw.json.strings";
  public static final String COMMIT_INTERVAL_MS = "delta.commit.interval.ms";
  public static final String COMMIT_MAX_BYTES = "delta.commit.max.bytes";
  public static final String COMMIT_MAX_RECORDS = "delta.commit.max.records";
  public static final String TARGET_FILE_BYTES = "delta.target.file.bytes";
  public static final String PARQUET_COMPRESSION = "delta.parquet.compression";

  /** In the order of the documentation. */
  public static final List<String> NAMES = List.of(
      TABLE_URI,
      TABLE_AUTO_CREATE,
      SCHEMA_JSON,
      SCHEMA_FILE,
      SCHEMA_UNKNOWN_FIELDS,
      INPUT_MODE,
      RAW_FORMAT,
      RAW_JSON_STRINGS,
      COMMIT_INTERVAL_MS,
      COMMIT_MAX_BYTES,
      COMMIT_MAX_RECORDS,
      TARGET_FILE_BYTES,
      PARQUET_COMPRESSION);

  private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*:.*", Pattern.DOTALL);
  private static final Pattern BAD_PERCENT = Pattern.compile("%(?![0-9A-Fa-f]{2})");
  private static final Pattern ENCODED_SLASH = Pattern.compile("%2[Ff]");

  private static final Validator TABLE_URI_RULE = LambdaValidator.with(
      Settings::checkTableUri, () -> "an absolute path or a file:/// URL, with ${topic} for the topic");
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
            + "/data/${topic} each topic has its own table. Without ${topic}, all topics that the "
            + "connector reads go into the one table.",
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
        "Whether a table that is not there is created, with the schema of delta.schema.json or "
            + "delta.schema.file, one of which is then needed. With false a missing table fails the "
            + "task, so that a misspelt location is not taken for a new table.",
        "Table",
        2,
        Width.SHORT,
        "Create the table");
    definitions.define(
        SCHEMA_JSON,
        Type.STRING,
        null,
        null,
        Importance.MEDIUM,
        "The table's schema as Delta itself writes it (schemaString of the table's metaData "
            + "action), for example "
            + "{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":false,\"metadata\":{}}]}. "
            + "It is needed to create a table. A table that is there is checked against it: each of its "
            + "columns must be in the table with the same type. Rows are always made for the table's own "
            + "schema. Not together with delta.schema.file.",
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
        SCHEMA_UNKNOWN_FIELDS,
        Type.STRING,
        "ignore",
        ValidString.in("ignore", "fail"),
        Importance.MEDIUM,
        "What becomes of a field that the table has no column for. ignore leaves the field out and "
            + "counts it. fail makes the whole record an errant record with the code "
            + "RECORD_UNKNOWN_FIELD.",
        "Schema",
        3,
        Width.SHORT,
        "Fields without a column");
    definitions.define(
        INPUT_MODE,
        Type.STRING,
        "raw",
        ValidString.in("raw"),
        Importance.MEDIUM,
        "In which form Connect hands records over. raw: the value is bytes or a string, and Sluice "
            + "decodes it natively; set value.converter to Connect's ByteArrayConverter.",
        "Input",
        1,
        Width.SHORT,
        "Input mode");
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
        2,
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
        3,
        Width.SHORT,
        "JSON strings");
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
    if (is(settings, TABLE_AUTO_CREATE, "true")
        && !isGiven(settings, SCHEMA_JSON)
        && !isGiven(settings, SCHEMA_FILE)) {
      refuse(values, TABLE_AUTO_CREATE, "true needs delta.schema.json or delta.schema.file to be given");
    }
    for (String name : settings.keySet()) {
      if (name.startsWith(PREFIX) && !NAMES.contains(name)) {
        refuse(values, name, "there is no such setting; the nearest one is " + nearest(name));
      }
    }
    return List.copyOf(values.values());
  }

  private static void refuse(Map<String, ConfigValue> values, String name, String message) {
    values.computeIfAbsent(name, ConfigValue::new).addErrorMessage(name + ": " + message);
  }

  private static boolean isGiven(Map<String, String> settings, String name) {
    return !settings.getOrDefault(name, "").trim().isEmpty();
  }

  private static boolean is(Map<String, String> settings, String name, String value) {
    return settings.getOrDefault(name, "").trim().equalsIgnoreCase(value);
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
    if (text.replace("${topic}", "").contains("${")) {
      return "the only placeholder is ${topic}";
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
