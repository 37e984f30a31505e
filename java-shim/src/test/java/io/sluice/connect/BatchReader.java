package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.IntFunction;

/** Reads a batch as docs/crossing.md says, with as little in common with what writes it as can be. */
final class BatchReader {
  static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** A buffer, and how much of it is in use. */
  static final class Slot {
    final Object array;
    final int used;

    Slot(Object array, int used) {
      this.array = array;
      this.used = used;
    }
  }

  final ObjectNode clear = JSON.objectNode();
  final List<Slot> slots = new ArrayList<>();
  private final Object[] buffers;
  private final List<byte[]> schemas;

  private static final class Node {
    final int kind;
    final List<String> names;
    final List<Node> children;

    Node(int kind, List<String> names, List<Node> children) {
      this.kind = kind;
      this.names = names;
      this.children = children;
    }
  }

  BatchReader(int[] meta, Object[] buffers, List<byte[]> schemas) {
    this.buffers = buffers;
    this.schemas = schemas;
    assertArrayEquals(new int[] {0x534C4331, Native.CROSSING_VERSION}, Arrays.copyOf(meta, 2));
    assertEquals(4 + 5 * meta[2], meta.length);
    clear.put("records", meta[3]);
    ArrayNode segments = clear.putArray("segments");
    for (int s = 0; s < meta[2]; s++) {
      int at = 4 + 5 * s;
      int before = slots.size();
      segments.add(segment(meta[at], meta[at + 1], meta[at + 2], meta[at + 4]));
      assertEquals(meta[at + 3], slots.size() - before, "buffers");
    }
    assertEquals(buffers.length, slots.size());
  }

  private ObjectNode segment(int key, int value, int rows, int flags) {
    ObjectNode segment = JSON.objectNode().put("flags", flags).put("key", key).put("value", value);
    int[] seqs = (int[]) take(rows);
    int[] partitions = (int[]) take(rows);
    long[] offsets = (long[]) take(rows);
    int[] topics = (int[]) take(rows);
    long[] timed = (long[]) take(words(rows));
    long[] timestamps = (long[]) take(rows);
    byte[] types = (byte[]) take(rows);
    int[] headerEnds = (int[]) take(rows + 1);
    byte[] headers = (byte[]) take(headerEnds == null ? 0 : headerEnds[rows]);
    JsonNode[] keys = payload(key, rows);
    JsonNode[] values = payload(value, rows);
    ArrayNode all = segment.putArray("rows");
    for (int row = 0; row < rows; row++) {
      ObjectNode one = all.addObject().put("seq", seqs[row]).put("partition", partitions[row]).put("offset", offsets[row]);
      if (topics != null) {
        one.put("topic", topics[row]);
      }
      if (timestamps != null) {
        one.set("timestamp", isValid(timed, row) ? JSON.numberNode(timestamps[row]) : JSON.nullNode());
        one.put("timestampType", types[row]);
      }
      if (headerEnds != null) {
        one.put("headers", hex(headers, headerEnds[row], headerEnds[row + 1]));
      }
      if (key != 0) {
        one.set("key", keys[row]);
      }
      one.set("value", values[row]);
    }
    return segment;
  }

  private JsonNode[] payload(int id, int rows) {
    return switch (id) {
      case 0 -> array(rows, row -> JSON.nullNode());
      case 1 -> column(new Node(7, List.of(), List.of()), rows);
      case 2 -> column(new Node(12, List.of(), List.of()), rows);
      default -> {
        ByteBuffer descriptor = ByteBuffer.wrap(schemas.get(id - 16)).order(ByteOrder.LITTLE_ENDIAN);
        Node root = node(descriptor);
        assertEquals(0, descriptor.remaining());
        yield column(root, rows);
      }
    };
  }

  private static Node node(ByteBuffer in) {
    int kind = in.get();
    int flags = in.get();
    assertTrue(flags >= 0 && flags < 32);
    if ((flags & 2) != 0) {
      in.getInt();
    }
    for (int text = Integer.bitCount(flags & 12); text > 0; text--) {
      string(in);
    }
    for (int texts = (flags & 16) != 0 ? 2 * in.getInt() : 0; texts > 0; texts--) {
      string(in);
    }
    List<String> names = new ArrayList<>();
    List<Node> children = new ArrayList<>();
    int count = kind == 11 ? in.getInt() : kind == 10 ? 2 : kind == 9 ? 1 : 0;
    for (; count > 0; count--) {
      if (kind == 11) {
        names.add(string(in));
      }
      children.add(node(in));
    }
    return new Node(kind, names, children);
  }

  private static String string(ByteBuffer in) {
    byte[] utf8 = new byte[in.getInt()];
    in.get(utf8);
    return new String(utf8, StandardCharsets.UTF_8);
  }

  private JsonNode[] column(Node node, int rows) {
    long[] validity = (long[]) take(words(rows));
    if (validity != null && rows % 64 != 0) {
      assertEquals(0, validity[rows / 64] >>> rows, "bits beyond the last row");
    }
    JsonNode[] values = values(node, rows, validity);
    for (int row = 0; row < rows; row++) {
      if (!isValid(validity, row)) {
        values[row] = JSON.nullNode();
      }
    }
    return values;
  }

  private JsonNode[] values(Node node, int rows, long[] validity) {
    switch (node.kind) {
      case 0: byte[] bytes = (byte[]) take(rows); return array(rows, row -> JSON.numberNode((long) zero(bytes[row], validity, row)));
      case 1: short[] shorts = (short[]) take(rows); return array(rows, row -> JSON.numberNode((long) zero(shorts[row], validity, row)));
      case 2: int[] ints = (int[]) take(rows); return array(rows, row -> JSON.numberNode((long) zero(ints[row], validity, row)));
      case 3: long[] longs = (long[]) take(rows); return array(rows, row -> JSON.numberNode(zero(longs[row], validity, row)));
      case 4: float[] floats = (float[]) take(rows); return array(rows, row -> JSON.numberNode((double) zero(floats[row], validity, row)));
      case 5: double[] doubles = (double[]) take(rows); return array(rows, row -> JSON.numberNode(zero(doubles[row], validity, row)));
      case 6: long[] bits = (long[]) take(words(rows)); return array(rows, row -> JSON.booleanNode(isValid(bits, row)));
      case 7, 8, 12: return strings(rows, validity, node.kind == 7);
      case 9, 10: return lists(node, rows, validity);
      default: return structs(node, rows);
    }
  }

  private static <T extends Number> T zero(T value, long[] validity, int row) {
    assertTrue(isValid(validity, row) || value.doubleValue() == 0, "null slots hold 0");
    return value;
  }

  private JsonNode[] strings(int rows, long[] validity, boolean text) {
    int[] ends = ends(rows, validity);
    byte[] data = (byte[]) take(ends[rows]);
    return array(
        rows,
        row ->
            JSON.textNode(
                text ? new String(data, ends[row], ends[row + 1] - ends[row], StandardCharsets.UTF_8) : hex(data, ends[row], ends[row + 1])));
  }

  private JsonNode[] lists(Node node, int rows, long[] validity) {
    int[] ends = ends(rows, validity);
    List<JsonNode[]> children = node.children.stream().map(child -> column(child, ends[rows])).toList();
    return array(
        rows,
        row -> {
          ArrayNode list = JSON.arrayNode();
          for (int i = ends[row]; i < ends[row + 1]; i++) {
            list.add(node.kind == 9 ? children.get(0)[i] : JSON.arrayNode().add(children.get(0)[i]).add(children.get(1)[i]));
          }
          return list;
        });
  }

  private JsonNode[] structs(Node node, int rows) {
    List<JsonNode[]> children = node.children.stream().map(child -> column(child, rows)).toList();
    return array(
        rows,
        row -> {
          ObjectNode struct = JSON.objectNode();
          for (int i = 0; i < children.size(); i++) {
            struct.set(node.names.get(i), children.get(i)[row]);
          }
          return struct;
        });
  }

  private int[] ends(int rows, long[] validity) {
    int[] ends = (int[]) take(rows + 1);
    assertEquals(0, ends[0]);
    for (int row = 0; row < rows; row++) {
      assertTrue(isValid(validity, row) ? ends[row] <= ends[row + 1] : ends[row] == ends[row + 1], "row " + row);
    }
    return ends;
  }

  /** The next buffer, of which this many elements are in use. */
  private Object take(int used) {
    Object array = buffers[slots.size()];
    assertTrue(array == null || Array.getLength(array) >= used, "too short");
    slots.add(new Slot(array, array == null ? 0 : used));
    return array;
  }

  private static JsonNode[] array(int rows, IntFunction<JsonNode> value) {
    JsonNode[] values = new JsonNode[rows];
    Arrays.setAll(values, value);
    return values;
  }

  static String hex(byte[] bytes, int from, int to) {
    return HexFormat.of().formatHex(bytes, from, to);
  }

  private static boolean isValid(long[] validity, int row) {
    return validity == null || (validity[row >> 6] >>> row & 1) == 1;
  }

  private static int words(int rows) {
    return (rows + 63) / 64;
  }

  /** Little-endian, as the golden files have it. */
  static byte[] dump(int[] meta, List<Slot> slots, List<byte[]> schemas) {
    ByteBuffer out = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(meta.length);
    Arrays.stream(meta).forEach(out::putInt);
    out.putInt(slots.size());
    for (Slot slot : slots) {
      Object array = slot.array;
      List<Class<?>> kinds = List.of(int[].class, long[].class, byte[].class, short[].class, float[].class, double[].class);
      out.put((byte) (array == null ? 0 : kinds.indexOf(array.getClass()) + 1)).putInt(slot.used);
      for (int i = 0; i < slot.used; i++) {
        Object element = Array.get(array, i);
        if (element instanceof Integer number) {
          out.putInt(number);
        } else if (element instanceof Long number) {
          out.putLong(number);
        } else if (element instanceof Byte number) {
          out.put(number);
        } else if (element instanceof Short number) {
          out.putShort(number);
        } else if (element instanceof Float number) {
          out.putFloat(number);
        } else if (element instanceof Double number) {
          out.putDouble(number);
        }
      }
    }
    out.putInt(schemas.size());
    schemas.forEach(schema -> out.putInt(schema.length).put(schema));
    return Arrays.copyOf(out.array(), out.position());
  }
}
