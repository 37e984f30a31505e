package io.sluice.connect;

import java.util.function.Supplier;

/** Where metrics are shown. */
interface MetricsPlace {
  void add(Series series, String meaning, Supplier<Long> value);

  void remove(Series series);
}
