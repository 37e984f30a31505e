package io.sluice.connect;

import java.util.LinkedHashMap;

/** One of a metric's series: its labels tell it from the others, in the order in which the native side gave them. */
record Series(String name, LinkedHashMap<String, String> labels) {}
