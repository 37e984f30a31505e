package io.sluice.containers;

import java.time.Duration;

final class Await {
  private static final Duration LIMIT = Duration.ofSeconds(120);
  private static final long PAUSE_MS = 250;

  private Await() {}

  interface Question<T> {
    /** Null as long as there is no answer. */
    T ask() throws Exception;
  }

  static <T> T until(String what, Question<T> question) throws Exception {
    long start = System.nanoTime();
    while (true) {
      T answer = question.ask();
      if (answer != null) {
        return answer;
      }
      if (System.nanoTime() - start > LIMIT.toNanos()) {
        throw new AssertionError("after " + LIMIT.toSeconds() + " s still no " + what);
      }
      Thread.sleep(PAUSE_MS);
    }
  }
}
