import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * <pre>
 * DynamoDbLocal PORT   serves on 127.0.0.1:PORT until it is killed; its tables are in memory, apart for each access key and region
 * </pre>
 *
 * DynamoDB Local's own main has no option for the address and listens on all of them.
 */
final class DynamoDbLocal {
    public static void main(String[] args) throws Exception {
        String[] options = {"-inMemory", "-disableTelemetry", "-port", args[0]};
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(options);
        Field field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        Server server = (Server) field.get(proxy);
        for (Connector connector : server.getConnectors()) {
            ((ServerConnector) connector).setHost("127.0.0.1");
        }
        proxy.start();
        System.out.println("DynamoDB Local started");
        proxy.join();
    }
}
