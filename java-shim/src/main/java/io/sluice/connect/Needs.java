package io.sluice.connect;

/** What the core wants of each record beside its original place and its value. */
final class Needs {
  static final Needs NOTHING = new Needs(0);

  /** The current one, after transforms. */
  final boolean topic;
  final boolean timestamp;
  final boolean key;
  final boolean headers;

  private Needs(int bits) {
    topic = (bits & 1) != 0;
    timestamp = (bits & 2) != 0;
    key = (bits & 4) != 0;
    headers = (bits & 8) != 0;
  }

  static Needs of(int bits) {
    if (bits >>> 4 != 0) {
      throw Reply.invalid("needs " + bits);
    }
    return new Needs(bits);
  }
}
