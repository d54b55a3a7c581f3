package laneway.bench;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** What the value of a message begins with: two numbers, which bench/c-loop/c_produce.c puts there. */
final class Message {
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private Message() {}

  /** The number of the message's key. */
  static int key(byte[] value) {
    return (int) INT.get(value, 0);
  }

  /** The number of the message within its key. */
  static int sequence(byte[] value) {
    return (int) INT.get(value, Integer.BYTES);
  }
}
