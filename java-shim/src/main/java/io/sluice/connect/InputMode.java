package io.sluice.connect;

/** {@code delta.input.mode}, as the core has understood it. */
enum InputMode {
  RAW,
  CONNECT,
  AUTO;

  static InputMode of(int number) {
    if (number >= values().length) {
      throw Reply.invalid("input mode " + number);
    }
    return values()[number];
  }
}
