package io.sluice.connect;

import java.util.Arrays;

/** Bit <i>n</i> is bit <i>n</i> mod 64 of word <i>n</i> / 64. What was never set, or removed again, is 0. */
final class Bits {
  private long[] words = new long[0];

  void set(int bit) {
    words[bit >> 6] |= 1L << bit;
  }

  void unset(int bit) {
    words[bit >> 6] &= ~(1L << bit);
  }

  void unset(int from, int to) {
    if (from >= to) {
      return;
    }
    int word = from >> 6;
    if ((from & 63) != 0) {
      words[word++] &= (1L << from) - 1;
    }
    Arrays.fill(words, word, (to + 63) >> 6, 0);
  }

  void resize(int bits) {
    words = Arrays.copyOf(words, (bits + 63) >> 6);
  }

  long[] words() {
    return words;
  }
}
