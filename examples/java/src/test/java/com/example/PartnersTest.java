package com.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.junit.jupiter.Container;
import org.testcontainers.junit.jupiter.Testcontainers;
import org.testcontainers.utility.DockerImageName;

@Testcontainers
class PartnersTest {
    private static final String IMAGE = Optional.ofNullable(System.getenv("MOCKTENANT_IMAGE")).orElse("mocktenant:dev-standalone");

    @Container
    private static final GenericContainer<?> MOCKTENANT = new GenericContainer<>(DockerImageName.parse(IMAGE))
        .withExposedPorts(8080, 8443)
        .waitingFor(Wait.forHttp("/readyz").forPort(8080));

    private static String at(String scheme, int port) {
        return scheme + "://" + MOCKTENANT.getHost() + ":" + MOCKTENANT.getMappedPort(port);
    }

    /** Makes a client that trusts the container's certificate authority. */
    private static HttpClient client() throws Exception {
        var ca = HttpClient.newHttpClient().send(
            HttpRequest.newBuilder(URI.create(at("http", 8080) + "/.well-known/mocktenant/ca.pem")).build(), BodyHandlers.ofByteArray());
        var trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null);
        trusted.setCertificateEntry("mocktenant", CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(ca.body())));
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trusted);
        var tls = SSLContext.getInstance("TLS");
        tls.init(null, managers.getTrustManagers(), null);
        return HttpClient.newBuilder().sslContext(tls).build();
    }

    /** Takes a token of the demo tenant's user; {@code mocktenant tenant create} makes tenants of a test's own. */
    private static String token() throws Exception {
        var result = MOCKTENANT.execInContainer("mocktenant", "token");
        assertEquals(0, result.getExitCode(), result.getStderr());
        return result.getStdout().strip();
    }

    @Test
    void aPartnerIsCreated() throws Exception {
        var request = HttpRequest.newBuilder(URI.create(at("https", 8443) + "/v1.0/deviceManagement/remoteAssistancePartners"))
            .header("Authorization", "Bearer " + token())
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString("{\"displayName\": \"TeamViewer\"}"))
            .build();

        HttpResponse<String> response = client().send(request, BodyHandlers.ofString());

        assertEquals(201, response.statusCode(), response.body());
        assertTrue(response.body().contains("\"displayName\":\"TeamViewer\""), response.body());
    }
}
