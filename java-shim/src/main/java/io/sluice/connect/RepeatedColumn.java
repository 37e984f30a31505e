package io.sluice.connect;

import java.util.Arrays;
import java.util.List;
import org.apache.kafka.connect.data.Schema;

/** A column whose rows each have any number of entries, which stand in its children one after the other. */
abstract class RepeatedColumn extends Column {
  /** Stands for the fixed width of an entry, so that a segment's size counts it. */
  private static final int ENTRY_BYTES = 8;

  private final Size size;
  private final List<Column> children;
  private int[] ends = new int[1];

  RepeatedColumn(Schema schema, Size size, List<Column> children) {
    super(schema);
    this.size = size;
    this.children = children;
  }

  final void endRow() {
    int row = addRow();
    ends[row + 1] = children.get(0).rows();
    size.bytes += (long) ENTRY_BYTES * (ends[row + 1] - ends[row]);
  }

  @Override
  final void fillNull(int row) {
    ends[row + 1] = ends[row];
  }

  @Override
  final void truncate(int row) {
    size.bytes -= (long) ENTRY_BYTES * (ends[rows()] - ends[row]);
    children.forEach(child -> child.truncate(ends[row]));
    super.truncate(row);
  }

  @Override
  final void clear() {
    super.clear();
    children.forEach(Column::clear);
  }

  @Override
  final void resize(int rows) {
    ends = Arrays.copyOf(ends, rows + 1);
  }

  @Override
  final void addData(List<Object> buffers) {
    buffers.add(ends);
    children.forEach(child -> child.addBuffers(buffers));
  }
}
