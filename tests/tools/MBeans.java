import javax.management.MBeanAttributeInfo;
import javax.management.MBeanServerConnection;
import javax.management.ObjectName;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

/** MBeans PORT: each attribute of each MBean of the JVM that serves JMX there, a line each, and of whose making each MBean is. */
final class MBeans {
    public static void main(String[] args) throws Exception {
        var url = new JMXServiceURL("service:jmx:rmi:///jndi/rmi://127.0.0.1:" + args[0] + "/jmxrmi");
        try (var connector = JMXConnectorFactory.connect(url)) {
            MBeanServerConnection server = connector.getMBeanServerConnection();
            for (ObjectName name : server.queryNames(null, null)) {
                System.out.println(name + " is a " + server.getMBeanInfo(name).getClassName());
                for (MBeanAttributeInfo attribute : server.getMBeanInfo(name).getAttributes()) {
                    System.out.println(name + " " + attribute.getName() + " = " + value(server, name, attribute.getName()));
                }
            }
        }
    }

    /** Some platform MBeans have attributes that cannot be read. */
    private static Object value(MBeanServerConnection server, ObjectName name, String attribute) {
        try {
            Object value = server.getAttribute(name, attribute);
            return value instanceof Object[] array ? java.util.Arrays.deepToString(array) : value;
        } catch (Exception e) {
            return e;
        }
    }
}
