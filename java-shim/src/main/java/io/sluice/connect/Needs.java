package io.sluice.connect;

/** What the core wants of each record beside its original place and its value. {@code topic} is the current one, after transforms. */
record Needs(boolean topic, boolean timestamp, boolean key, boolean headers) {
  static final Needs NOTHING = of(0);

  static Needs of(int bits) {
    if (bits >>> 4 != 0) {
      throw Reply.invalid("needs " + bits);
    }
    return new Needs((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0);
  }
}
