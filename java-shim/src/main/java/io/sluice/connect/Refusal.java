package io.sluice.connect;

/** Why a record cannot be handed over. Whoever it passes on its way out puts the field's name in front of the path. */
final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final ErrorCode code;
  private String reason;
  private String path = "";

  Refusal(ErrorCode code, String reason) {
    super(reason, null, false, false);
    this.code = code;
    this.reason = reason;
  }

  static Refusal tooDeep() {
    return new Refusal(ErrorCode.RECORD_TOO_DEEP, "nested deeper than " + Column.MAX_DEPTH + " levels");
  }

  Refusal inField(String name) {
    boolean joined = path.isEmpty() || path.startsWith("[");
    path = name + (joined ? "" : ".") + path;
    return this;
  }

  Refusal inElement(int index) {
    return inField("[" + index + "]");
  }

  /** For what is not in the record's value. */
  Refusal of(String part) {
    reason = part + ": " + reason;
    return this;
  }

  ErrorCode code() {
    return code;
  }

  String path() {
    return path;
  }

  @Override
  public String getMessage() {
    return reason;
  }
}
