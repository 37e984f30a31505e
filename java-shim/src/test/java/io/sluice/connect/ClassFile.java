package io.sluice.connect;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** What a class file refers to, as its constant pool has it. */
final class ClassFile {
  /** {@code owner} is a binary name, {@code member} null for the class itself. */
  record Use(String owner, String member, String descriptor) {}

  private static final int UTF8 = 1;
  private static final int LONG = 5;
  private static final int DOUBLE = 6;
  private static final int CLASS = 7;
  private static final int FIELD = 9;
  private static final int METHOD = 10;
  private static final int INTERFACE_METHOD = 11;

  private final String[] texts;
  private final int[] tags;
  private final int[] first; // of a pair of indices, or the only one
  private final int[] second;

  private ClassFile(DataInputStream in) throws IOException {
    in.skipNBytes(8);
    int size = in.readUnsignedShort();
    texts = new String[size];
    tags = new int[size];
    first = new int[size];
    second = new int[size];
    for (int at = 1; at < size; at++) {
      tags[at] = in.readUnsignedByte();
      switch (tags[at]) {
        case UTF8 -> texts[at] = in.readUTF();
        case LONG, DOUBLE -> {
          in.skipNBytes(8);
          at++; // takes two places
        }
        case 3, 4 -> in.skipNBytes(4);
        case CLASS, 8, 16, 19, 20 -> first[at] = in.readUnsignedShort();
        case 15 -> in.skipNBytes(3);
        case FIELD, METHOD, INTERFACE_METHOD, 12, 17, 18 -> {
          first[at] = in.readUnsignedShort();
          second[at] = in.readUnsignedShort();
        }
        default -> throw new IOException("unknown constant " + tags[at]);
      }
    }
  }

  static List<Use> uses(byte[] file) throws IOException {
    return new ClassFile(new DataInputStream(new ByteArrayInputStream(file))).uses();
  }

  private List<Use> uses() {
    List<Use> uses = new ArrayList<>();
    for (int at = 1; at < tags.length; at++) {
      switch (tags[at]) {
        case CLASS -> uses.add(new Use(className(at), null, null));
        case FIELD, METHOD, INTERFACE_METHOD -> {
          int nameAndType = second[at];
          uses.add(new Use(className(first[at]), texts[first[nameAndType]], texts[second[nameAndType]]));
        }
        default -> {}
      }
    }
    return uses;
  }

  private String className(int at) {
    return texts[first[at]].replace('/', '.');
  }
}
