/** The generated events of {@code cargo xtask demo}: each is a function of its number alone, so that a reader can make it again. */
final class DemoEvent {
    static final String[] KINDS = {"view", "click", "search", "add_to_cart", "purchase"};
    static final String[] CITIES = {"Ulm", "Kraków", "São Paulo", "東京", "Nairobi", "Reykjavík"};
    static final String[] TAGS = {"new", "sale", "gift", "bulk", "returned", "premium"};
    static final long START_MILLIS = 1_767_225_600_000L; // 2026-01-01T00:00:00Z

    private DemoEvent() {}

    /** One JSON object of about 300 bytes, without a line break. {@code demo_id} is its first field. */
    static String json(long id) {
        long r = mix(id);
        StringBuilder out = new StringBuilder(360);
        out.append("{\"demo_id\":").append(id);
        out.append(",\"id\":").append(r);
        out.append(",\"time\":\"").append(java.time.Instant.ofEpochMilli(START_MILLIS + id * 37)).append('"');
        out.append(",\"user\":\"user-").append(pick(r, 1, 1_000_000)).append('"');
        out.append(",\"kind\":\"").append(KINDS[pick(r, 2, KINDS.length)]).append('"');
        out.append(",\"url\":\"https://shop.example/").append(KINDS[pick(r, 3, KINDS.length)]).append("/item-")
            .append(pick(r, 4, 100_000)).append("?q=\\\"a\\u00e4\\\"&page=").append(pick(r, 5, 40)).append('"');
        out.append(",\"mobile\":").append((r & 1) == 0);
        out.append(",\"price\":").append(java.math.BigDecimal.valueOf(pick(r, 6, 10_000_000) - 100_000, 2));
        out.append(",\"seconds\":").append(pick(r, 7, 1_000_000) / 997.0);
        out.append(",\"place\":{\"lat\":").append(pick(r, 8, 180_000_000) / 1e6 - 90);
        out.append(",\"lon\":").append(pick(r, 9, 360_000_000) / 1e6 - 180);
        out.append(",\"city\":\"").append(CITIES[pick(r, 10, CITIES.length)]).append("\"}");
        out.append(",\"tags\":[");
        int tags = pick(r, 11, 4);
        for (int i = 0; i < tags; i++) {
            out.append(i == 0 ? "\"" : ",\"").append(TAGS[pick(r, 12 + i, TAGS.length)]).append('"');
        }
        out.append(']');
        switch (pick(r, 16, 3)) { // given, null, absent
            case 0 -> out.append(",\"referrer\":\"https://search.example/").append(pick(r, 17, 1000)).append('"');
            case 1 -> out.append(",\"referrer\":null");
            default -> { }
        }
        return out.append('}').toString();
    }

    static int pick(long r, int which, int bound) {
        return (int) Long.remainderUnsigned(mix(r + which), bound);
    }

    /** SplitMix64. */
    static long mix(long x) {
        x += 0x9E3779B97F4A7C15L;
        x = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
        return x ^ (x >>> 31);
    }
}
